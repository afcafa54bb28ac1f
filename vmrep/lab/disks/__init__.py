"""Virtual disks: layers, change tracking, and the datastore files that they appear as."""
