"""The API's front: from a request's bytes to an answer's bytes."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pyVmomi import vim, vmodl
from pyVmomi.VmomiSupport import F_OPTIONAL, Object

from vmrep.lab.control.injection import DROP, FAULT
from vmrep.lab.soap import codec
from vmrep.lab.soap.odd_answers import gap
from vmrep.lab.soap.property_collector import PropertyCollector
from vmrep.lab.soap.sessions import Session, SessionManager, TooManySessions
from vmrep.lab.world import authorization
from vmrep.lab.world.browser import DatastoreBrowser
from vmrep.lab.world.events import EventManager
from vmrep.lab.world.inventory import Datastore, SearchIndex
from vmrep.lab.world.objects import Managed, World
from vmrep.lab.world.tasks import TaskManager
from vmrep.lab.world.views import ViewManager

log = logging.getLogger(__name__)

# Not served: references that a client has to step over.
INTERNAL_SERVICES = ("agentManager", "llProvisioningManager", "proxyService", "vmciAccessManager")
READS_PROPERTIES = ("RetrieveProperties", "RetrievePropertiesEx")
ANONYMOUS = {"RetrieveServiceContent", "Login"}


class ServiceInstance(Managed):
    """The root of the API."""

    type = vim.ServiceInstance

    def _content(self) -> Any:
        estate, product = self.world.estate, self.world.product
        found = self.world.objects
        return codec.make(
            vim.ServiceInstanceContent,
            rootFolder=found[product.root_folder].ref,
            propertyCollector=found[product.property_collector].ref,
            viewManager=found[product.view_manager].ref,
            sessionManager=found[product.session_manager].ref,
            searchIndex=found[product.search_index].ref,
            taskManager=found[product.task_manager].ref,
            authorizationManager=found[product.authorization_manager].ref,
            eventManager=found[product.event_manager].ref,
            about=vim.AboutInfo(
                name=product.name,
                fullName=f"{product.name} {estate.version} build-22617221 (vmrep lab)",
                vendor="VMware, Inc.",
                version=estate.version,
                build="22617221",
                osType=product.os_type,
                productLineId=product.line,
                apiType=product.api_type,
                apiVersion=codec.VERSION_ID,
                instanceUuid=estate.instance_uuid if product.has_instance_uuid else None,
                licenseProductName=product.license_name,
                licenseProductVersion="8.0",
            ),
        )

    def _serverClock(self) -> Any:
        return codec.utc_now()

    def RetrieveServiceContent(self, call: Any, session: Session | None) -> Any:
        """Where everything is; needs no login."""
        return self._content()

    def RetrieveInternalContent(self, call: Any, session: Session) -> Any:
        """Where the service objects are that the API does not show, most of unknown types."""
        known = {"nfcService": ("NfcService", self.world.product.nfc_service)}
        others = {
            name: (f"{name[0].upper()}{name[1:]}", f"lab-{name}") for name in INTERNAL_SERVICES
        }
        return codec.RawXml(
            "".join(
                f'<{name} type="{kind}">{moid}</{name}>'
                for name, (kind, moid) in sorted({**others, **known}.items())
            )
        )

    def CurrentTime(self, call: Any, session: Session) -> Any:
        """The server's clock; also what clients call to keep a session alive."""
        return codec.utc_now()


def _nobodys_session(call: codec.Call) -> codec.RawXml:
    """The session manager's properties for a caller without a session: each is refused."""
    fault = "The session is not authenticated."
    paths = dict.fromkeys(p for f in call.arguments.specSet for s in f.propSet for p in s.pathSet)
    missing = "".join(
        f"<missingSet>{gap(path, 'NotAuthenticated', fault)}</missingSet>" for path in paths
    )
    ref = call.arguments.specSet[0].objectSet[0].obj
    content = f"{codec.reference('obj', ref)}{missing}"
    old = call.method == "RetrieveProperties"
    return codec.RawXml(content if old else f"<objects>{content}</objects>")


def build_service(world: World, user: str, password: str) -> None:
    """Make the service objects (the inventory has the root folder already)."""
    ServiceInstance(world, "ServiceInstance")
    product = world.product
    SessionManager(world, product.session_manager, user, password)
    PropertyCollector(world, product.property_collector)
    ViewManager(world, product.view_manager)
    SearchIndex(world, product.search_index)
    TaskManager(world, product.task_manager)
    authorization.AuthorizationManager(world, product.authorization_manager)
    EventManager(world, product.event_manager)
    for datastore in world.of_type(Datastore):
        DatastoreBrowser(world, datastore._browser()._moId, datastore)


@dataclass
class Answer:
    """An HTTP answer to a SOAP request; `drop` cuts the connection in the middle of it."""

    status: int
    body: bytes
    new_session: Session | None = None
    drop: bool = False


class Service:
    """Dispatches calls to managed objects."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.renew_certificate: Callable[[], None] = lambda: None  # of the server in front

    @property
    def sessions(self) -> SessionManager:
        """Who is logged in."""
        found = self.world.objects[self.world.product.session_manager]
        if not isinstance(found, SessionManager):
            raise TypeError("SessionManager is of the wrong type")
        return found

    def answer(self, data: bytes, token: str | None) -> Answer:
        """Answer a request. Faults become SOAP faults; an error of the lab itself becomes
        SystemError, as vCenter does, and is logged."""
        method, started = "?", time.monotonic()
        try:
            call = codec.parse(data)
            method = call.method
            answer = self._dispatch(call, token)
        except vmodl.MethodFault as fault:
            log.info("%s: %s: %s", method, type(fault).__name__, fault.msg)
            answer = Answer(500, codec.fault_response(fault))
        except TooManySessions:
            # As a server that has no thread left for another client answers: it is no SOAP.
            log.info("%s: too many sessions", method)
            answer = Answer(503, b"503 Service Unavailable")
        except Exception as error:
            log.exception("%s failed within the lab", method)
            unexpected = vmodl.fault.SystemError(
                reason=repr(error), msg=f"A general system error occurred: {error!r}"
            )
            answer = Answer(500, codec.fault_response(unexpected))
        answer.drop = self.world.injection.take(method, DROP) is not None
        log.debug("%s: %d in %.3f s", method, answer.status, time.monotonic() - started)
        return answer

    def _dispatch(self, call: codec.Call, token: str | None) -> Answer:
        if call.target is None:
            raise codec.invalid_request("the request names no object (_this)")
        if not call.method.endswith("_Task"):
            self.world.injection.wait(call.method)
        session = self.sessions.by_token(token)
        if session is None and not self._is_anonymous(call):
            raise vim.fault.NotAuthenticated(
                object=call.target,
                privilegeId="System.View",
                msg="The session is not authenticated.",
            )
        if session is None and call.method in READS_PROPERTIES:
            return Answer(200, codec.response(call.method, call.info, _nobodys_session(call)))
        rule = self.world.injection.take(call.method, FAULT)
        if rule:
            raise codec.fault_named(rule.fault, rule.message)
        if call.method == "Login":
            new = self.sessions.login(call.arguments.userName, call.arguments.password)
            return Answer(200, codec.response("Login", call.info, new.as_vim()), new)
        target = self.world.find(call.target)
        served = getattr(type(target), call.method, None)
        if served is None:
            raise vmodl.fault.MethodNotFound(
                receiver=call.target,
                method=call.method,
                msg=f"{call.method} is not simulated by the lab",
            )
        authorization.check(self.world, call.method, call.target)
        value = served(target, call.arguments, session)
        info = call.info
        if call.method == "Fetch":
            kind = target.type._GetPropertyInfo(call.arguments.prop).type
            info = Object(result=kind, resultFlags=F_OPTIONAL)
        return Answer(200, codec.response(call.method, info, value))

    def _is_anonymous(self, call: codec.Call) -> bool:
        if call.method == "Fetch":
            return call.arguments.prop in ("content", "currentSession")
        asks_who_it_is = call.method in READS_PROPERTIES and all(
            spec.obj._moId == self.sessions.moid
            for filter_spec in call.arguments.specSet
            for spec in filter_spec.objectSet
        )
        return call.method in ANONYMOUS or asks_who_it_is
