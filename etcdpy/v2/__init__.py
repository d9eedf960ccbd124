"""The tree of etcd's v2 API: its nodes, the operations on them, events, and who hears of them."""
