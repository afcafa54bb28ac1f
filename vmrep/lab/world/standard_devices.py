"""The devices that every VM has, whatever was asked for when it was made.

A client meets them in each answer about a VM's hardware: they are most of it, and a reader that is
tried without them is tried on answers that no vCenter gives.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from pyVmomi import vim

from vmrep.lab.soap import codec
from vmrep.lab.world import controllers, device_parts

device = vim.vm.device
PCI, IDE, PS2, SIO = 100, 200, 300, 400  # controllers' keys
CD_DRIVE = 3002  # the first unit of IDE 1
_VMCI_SUMMARY = (
    "Device on the virtual machine PCI bus that provides support for the virtual machine"
    " communication interface"
)


def standard_devices(taken: Collection[int]) -> list[Any]:
    """Without those whose keys are `taken` by devices of the VM's own."""
    return [made for made in (*_controllers(), *_console(), *_drives()) if made.key not in taken]


def _labelled(kind: Any, key: int, label: str, summary: str = "", **values: Any) -> Any:
    described = vim.Description(label=label, summary=summary or label)
    return codec.make(kind, key=key, deviceInfo=described, **values)


@cache
def _controllers() -> tuple[Any, ...]:
    ide = controllers.KINDS["ide"]
    return (
        *(controllers.device_of(ide, bus, [], "noSharing") for bus in range(ide.buses)),
        _labelled(
            *(device.VirtualPS2Controller, PS2, "PS2 controller 0"), busNumber=0, device=[600, 700]
        ),
        _labelled(
            *(device.VirtualPCIController, PCI, "PCI controller 0"),
            busNumber=0,
            device=[500, 12000, 14000],
        ),
        _labelled(
            *(device.VirtualSIOController, SIO, "SIO controller 0"), busNumber=0, device=[8000]
        ),
    )


@cache
def _console() -> tuple[Any, ...]:
    """Keyboard, pointing device, video card, and what else has no medium."""
    return (
        _labelled(
            *(device.VirtualUSBXHCIController, 14000, "USB xHCI controller"),
            controllerKey=PCI,
            unitNumber=23,
            busNumber=0,
            autoConnectDevices=False,
        ),
        _labelled(
            *(device.VirtualKeyboard, 600, "Keyboard"),
            controllerKey=PS2,
            unitNumber=0,
        ),
        _labelled(
            *(device.VirtualPointingDevice, 700, "Pointing device", "Pointing device; Device"),
            controllerKey=PS2,
            unitNumber=1,
            backing=device.VirtualPointingDevice.DeviceBackingInfo(
                deviceName="", useAutoDetect=False, hostPointingDevice="autodetect"
            ),
        ),
        _labelled(
            *(device.VirtualVideoCard, 500, "Video card"),
            controllerKey=PCI,
            unitNumber=0,
            videoRamSizeInKB=4096,
            numDisplays=1,
            useAutoDetect=False,
            enable3DSupport=False,
            use3dRenderer="automatic",
            graphicsMemorySizeInKB=262144,
        ),
        _labelled(
            *(device.VirtualVMCIDevice, 12000, "VMCI device", _VMCI_SUMMARY),
            controllerKey=PCI,
            unitNumber=17,
            slotInfo=device_parts.slot(33),
            id=-1708029162,
            allowUnrestrictedCommunication=False,
            filterEnable=True,
        ),
    )


@cache
def _drives() -> tuple[Any, ...]:
    return (
        _labelled(
            *(device.VirtualCdrom, CD_DRIVE, "CD/DVD drive 1", "Remote device"),
            controllerKey=IDE + 1,
            unitNumber=0,
            backing=device.VirtualCdrom.RemotePassthroughBackingInfo(
                deviceName="", useAutoDetect=False, exclusive=False
            ),
            connectable=_disconnected(),
        ),
        _labelled(
            *(device.VirtualFloppy, 8000, "Floppy drive 1", "Remote"),
            controllerKey=SIO,
            unitNumber=0,
            backing=device.VirtualFloppy.RemoteDeviceBackingInfo(
                deviceName="", useAutoDetect=False
            ),
            connectable=_disconnected(),
        ),
    )


def _disconnected() -> Any:
    return device.VirtualDevice.ConnectInfo(
        startConnected=False, allowGuestControl=True, connected=False, status="untried"
    )
