"""Durable state: executions and their events, waits, the catalog, services, workers, captured output."""

from flux.store.desk import StoreDesk
from flux.store.records import Append, Appended, ExecutionFilter, Page, WorkerRecord
from flux.store.store import Store

__all__ = ["Append", "Appended", "ExecutionFilter", "Page", "Store", "StoreDesk", "WorkerRecord"]
