"""etcd's API before v3: keys, members, statistics, and modules, over HTTP."""
