"""Alarms: conditions that an operator has to clear, kept across restarts."""

from __future__ import annotations

from etcdpy.errors import CorruptError, NoSpaceError
from etcdpy.pb.rpc_pb2 import CORRUPT, NONE, NOSPACE, AlarmMember, AlarmType
from etcdpy.storage.buckets import Bucket
from etcdpy.storage.commit_log import CommitLog


class Alarms:
    """
    The alarms that are on, of whichever member.

    Args:
        log: Where changes are written.
        stored: The keys of the alarm bucket: encoded AlarmMembers.

    """

    def __init__(self, log: CommitLog, stored: list[bytes]) -> None:
        self._log = log
        self._active: dict[tuple[int, int], AlarmMember] = {}
        for key in stored:
            alarm = AlarmMember.FromString(key)
            self._active[alarm.memberID, alarm.alarm] = alarm
        self._note_types()

    def check_write(self, grows: bool) -> None:
        """
        Check that alarms let a write through.

        Args:
            grows: Whether the write needs room: it puts keys or grants a lease.

        Raises:
            CorruptError: If the CORRUPT alarm is on.
            NoSpaceError: If the NOSPACE alarm is on and the write needs room.

        """
        if not self._types:
            return
        # (etcd: apply/corrupt.go, then apply/capped.go)
        if CORRUPT in self._types:
            raise CorruptError
        if grows and NOSPACE in self._types:
            raise NoSpaceError

    def __contains__(self, alarm: tuple[int, int]) -> bool:
        """Tell whether the alarm of a member and a type is on."""
        return alarm in self._active

    def matching(self, kind: AlarmType.ValueType) -> list[AlarmMember]:
        """Return the alarms of a type; NONE stands for all types."""
        return [alarm for (_, t), alarm in sorted(self._active.items()) if kind in (NONE, t)]

    def activate(self, member_id: int, kind: AlarmType.ValueType) -> list[AlarmMember]:
        """Switch an alarm on, unless its type is NONE; return it."""
        if kind == NONE:
            return []
        alarm = self._active.get((member_id, kind))
        # One that is on already is answered, and not written again. (etcd: v3alarm/alarms.go)
        if alarm is None:
            alarm = AlarmMember(memberID=member_id, alarm=kind)
            self._active[member_id, kind] = alarm
            self._write(alarm, b"")
        return [alarm]

    def deactivate(self, member_id: int, kind: AlarmType.ValueType) -> list[AlarmMember]:
        """Switch an alarm off; return it, or nothing if it was not on."""
        alarm = self._active.pop((member_id, kind), None)
        if alarm is None:
            return []
        self._write(alarm, None)
        return [alarm]

    def _write(self, alarm: AlarmMember, value: bytes | None) -> None:
        self._log.batch.puts[Bucket.ALARM, alarm.SerializeToString()] = value
        self._log.flush_soon()
        self._note_types()

    def _note_types(self) -> None:
        # Looked at before every write, so kept ready.
        self._types = frozenset(kind for _, kind in self._active)
