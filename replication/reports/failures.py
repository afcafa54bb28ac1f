"""Why replications fail, in words: the codes are for programs."""

from __future__ import annotations

WORDS = {
    # vSphere
    "address_not_allowed": "The vCenter's address leads where vmrep may not go",
    "address_unknown": "The vCenter's name has no address",
    "ambiguous_uuid": "Several VMs have the same instance UUID",
    "another_vm": "Another VM is in its place",
    "answer_too_large": "vSphere's answer was too large",
    "cbt_fault": "vSphere could not say what had changed",
    "certificate_changed": "The certificate is another one than before",
    "certificate_not_trusted": "The certificate is not trusted",
    "connection_lost": "The connection was lost",
    "connection_refused": "The connection was refused",
    "datastore_read_failed": "A file on a datastore could not be read",
    "disk_not_readable": "A disk could not be read",
    "disk_replaced": "A disk was replaced during the replication",
    "files_left": "vSphere left files of a snapshot behind",
    "invalid_request": "vSphere did not accept a request",
    "login_refused": "The login was refused",
    "name_service_away": "The name service did not answer",
    "nfc_broken": "The host's disk service (NFC) broke off",
    "nfc_error": "The host's disk service (NFC) reported an error",
    "nfc_refused": "The host's disk service (NFC) refused",
    "no_transport": "No transport can read the disks",
    "not_vsphere": "The server is not vSphere",
    "object_gone": "An object is no longer in the vCenter",
    "other_certificate": "The certificate is not the one that was confirmed",
    "other_estate": "Another vCenter answers at the address",
    "privilege_missing": "The account lacks a privilege",
    "quiesce_failed": "The guest could not be quiesced",
    "session_expired": "The session expired",
    "snapshot_not_listed": "The vCenter does not list the snapshot",
    "task_failed": "A task of the vCenter failed",
    "task_still_running": "A task of the vCenter did not end",
    "vm_unreadable": "The vCenter cannot read the VM",
    "vsphere_fault": "vSphere reported a fault",
    # the repository and its images
    "copy_stopped": "The copy was stopped",
    "does_not_answer": "The storage does not answer",
    "extent_error": "The list of what to read made no sense",
    "image_altered": "An image was altered by others",
    "image_damaged": "An image is damaged",
    "image_in_use": "Another program uses an image",
    "image_missing": "An image is missing",
    "manifest_damaged": "A manifest is damaged",
    "repository_full": "The repository is full",
    "repository_is_newer": "The repository knows more than the database",
    "repository_not_private": "Others may write into the repository",
    "repository_taken": "Another installation uses the repository",
    "repository_unavailable": "The repository cannot be reached",
    "source_error": "A disk could not be read",
    "target_error": "An image could not be written",
    # vmrep's own rules
    "busy": "Another process was changing the VM's record or replica",
    "identity_changed": "Somebody has to say which VM it is",
    "no_repository": "The VM has no repository",
    "not_managed": "The VM is not under management",
    "preflight_refused": "The VM cannot be replicated as it is",
    "recovery_point_held": "A recovery point was in use",
    "repository_gone": "The repository was removed",
    "secret_unreadable": "A stored password could not be decrypted",
    "servers_busy": "Too many requests were waiting for servers",
    "vcenter_busy": "The vCenter was in use",
    "vm_gone": "The VM is no longer in its vCenter",
    # a job's worker
    "others_at_work": "Another product's snapshot stayed",
    "removal_unfinished": "The removal of a recovery point did not end",
    "try_again": "Several attempts made no progress",
    "unexpected": "A fault of vmrep itself",
    "worker_lost": "Its workers died repeatedly",
}


def why_failed(code: str) -> str:
    """A job's error code in words, without a full stop."""
    return WORDS.get(code) or code.replace("_", " ").capitalize()
