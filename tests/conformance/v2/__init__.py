"""The v2 API beside etcd 3.5.1, the newest etcd at hand that has one."""
