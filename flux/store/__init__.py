"""Durable state: executions and their events, waits, the catalog, services, workers, captured output."""

from flux.store.desk import StoreDesk
from flux.store.records import Append, Appended, Change, ExecutionFilter, Page, WorkerRecord
from flux.store.store import Store

__all__ = ["Append", "Appended", "Change", "ExecutionFilter", "Page", "Store", "StoreDesk", "WorkerRecord"]
