"""Command lines of an operator for etcdctl; see ``etcdctl_commands`` for what they begin with.

``{own}`` is the ID of the only member, as etcdctl prints it.
"""

ANSWERED = [
    # hashes
    "endpoint hashkv",
    "endpoint hashkv -w json",
    "endpoint hashkv -w fields",
    "endpoint hashkv -w table",
    "endpoint hashkv --cluster",
    "endpoint hashkv --rev {r2}",
    "endpoint hashkv --rev {r3} -w json",
    "del b ; endpoint hashkv -w json ; endpoint hashkv --rev {r4} -w json",
    "compaction {r3} --physical ; endpoint hashkv -w json",
    "compaction {r3} --physical ; endpoint hashkv --rev {r4}",
    # alarms, when there are none
    "alarm list",
    "alarm list -w json",
    "alarm list -w fields",
    "alarm disarm",
    "alarm disarm -w json",
    # members
    "member list -w json --hex",
    "member update {own} --peer-urls=http://127.0.0.1:2381 ; member list",
    "member update {own} --peer-urls=http://127.0.0.1:2381 -w json ; member list -w fields",
    "member update {own} --peer-urls=http://a:1,http://b:2 -w json ; member list -w table",
    "move-leader {own}",
    # compaction that is waited for
    "compaction {r4} --physical",
    "compaction {r2} --physical -w json ; endpoint status -w json",
    "compaction {r3} --physical ; compaction {r4} --physical ; get '' --prefix --rev {r4}",
    # defragmentation
    "defrag",
    "defrag --cluster",
    "defrag ; get '' --prefix -w json ; endpoint hashkv",
    "compaction {r3} --physical ; defrag ; get '' --prefix --rev {r3} -w json ; put d 4",
]

REFUSED = [
    "endpoint hashkv --rev 100000",
    "endpoint hashkv --rev 100000 -w json",
    "endpoint hashkv --rev 100000 --cluster",
    "compaction {r3} --physical ; endpoint hashkv --rev {r2}",
    "compaction {r3} --physical ; compaction {r3} --physical",
    "compaction 100000 --physical",
    "member update {own} --peer-urls=http://a:1 ; member add x --peer-urls=http://a:1",
    "member remove {own}",
    "member remove {own} -w json",
    "member remove 1",
    "member promote {own}",
    "member promote 1",
    "member update 1 --peer-urls=http://127.0.0.1:1",
    "move-leader 1",
    "move-leader ffffffffffffffff",
]

#: Not understood by etcdctl itself, or only after it has asked the server something.
MISTAKEN = [
    "endpoint hashkv --rev x",
    "member add",
    "member add x",
    "member add x --peer-urls=foo",
    "member add x --peer-urls=http://a:1/x",
    "member remove",
    "member remove zz",
    "member update",
    "member update {own}",
    "member update {own} --peer-urls=http://a:1 -w fields",
    "member promote",
    "member promote zz",
    "move-leader",
    "move-leader zz",
    "alarm list x",
    "compaction",
    "compaction x --physical",
    "snapshot save",
]

#: The commands about a downgrade, which etcdctl has since 3.6.
DOWNGRADES = [
    "downgrade validate",
    "downgrade validate 3.5",
    "downgrade validate 3.6",
    "downgrade validate 3.6.0 -w json",
    "downgrade validate 3.6.0 -w fields",
    "downgrade validate 3.7",
    "downgrade validate x",
    "downgrade enable 3.5",
    "downgrade enable 3",
    "downgrade cancel",
    "downgrade cancel -w json",
]

#: What is done, one after the other, once a put has met the quota of a byte.
OVER_QUOTA = [
    "put a 1",
    "alarm list",
    "alarm list -w json",
    "alarm list -w fields",
    "put a 2",
    "txn <<< | put a 1 | | |",
    "lease grant 100",
    "endpoint health",
    "endpoint health -w json",
    "endpoint status",
    "endpoint status -w table",
    "endpoint status -w fields",
    "get '' --prefix",
    "del a",
    "alarm disarm",
    "alarm list",
    "endpoint health",
    "put a 3",
    "alarm list",
    "alarm disarm -w json",
    "alarm disarm",
]

#: What is done, one after the other, when a full store has been emptied and compacted.
ROOM_AGAIN = [
    "put k 1",
    "alarm list",
    "defrag",
    "put k 2",
    "alarm disarm",
    "alarm list",
    "put k 3",
    "endpoint health",
    "endpoint status -w table",
    "get '' --prefix",
]

#: What is done, one after the other, with a key a while the CORRUPT alarm is on.
CORRUPT = [
    "alarm list",
    "alarm list -w json",
    "put a 2",
    "del a",
    "get a",
    "compaction {r3}",
    "lease grant 100",
    "endpoint health",
    "endpoint status -w table",
    "endpoint hashkv",
    "move-leader {own}",
    "alarm disarm",
    "alarm list",
    "put a 2",
]
