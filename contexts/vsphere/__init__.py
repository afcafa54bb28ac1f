"""Talking to vSphere through pyVmomi. Plain Python: no Django, and no pyVmomi object leaves it.

Start reading at `session` (a login), `inventory` (VMs), `snapshots`, `cbt` and `datastore` (what a
job does), `preflight` (what it refuses). `specs` is the one list of a VM's spec fields, `errors`
everything that can go wrong.
"""
