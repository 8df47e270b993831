-- Writing: every change locks one row, decides, and settles it if nobody else has changed it since.

-- name: lock_execution
select serial, revision from executions where id = :id;

-- name: load_execution
select * from execution_view where serial = :serial;

-- name: find_idempotent
select * from execution_view where id = (select id from executions where idempotency_key = :key);

-- name: insert_execution
insert into executions (
    id, namespace, workflow, state, version, digest, parent_id, parent_call, idempotency_key, output, output_encoding,
    output_preview, generation, owner, dispatch, not_before, deaths, created_at, updated_at, started_at,
    finished_at, last_seq, last_ordinal, open_waits, attention, open_tasks, revision
) values (
    :id, :namespace, :workflow, :state, :version, :digest, :parent_id, :parent_call, :idempotency_key, null, null,
    null, :generation, :owner, :dispatch, :not_before, 0, :created_at, :updated_at, null,
    null, 0, 0, 0, 0, '', 0
)
on conflict do nothing
returning serial;

-- name: insert_input
insert into execution_inputs (serial, data, encoding, preview) values (:serial, :data, :encoding, :preview);

-- name: advance_execution
-- What changes with every event; touches no index.
update executions
set updated_at = :updated_at, last_seq = :last_seq, last_ordinal = :last_ordinal,
    open_waits = :open_waits, open_tasks = :open_tasks, revision = revision + 1
where serial = :serial and revision = :revision;

-- name: settle_execution
update executions
set state = :state, version = :version, digest = :digest,
    output = :output, output_encoding = :output_encoding, output_preview = :output_preview,
    generation = :generation, owner = :owner, dispatch = :dispatch, not_before = :not_before, deaths = :deaths,
    updated_at = :updated_at, started_at = :started_at, finished_at = :finished_at,
    last_seq = :last_seq, last_ordinal = :last_ordinal, open_waits = :open_waits, attention = :attention,
    open_tasks = :open_tasks, revision = revision + 1
where serial = :serial and revision = :revision;

-- name: insert_event
insert into events (
    execution, seq, generation, ordinal, type, source_id, name, time, id,
    payload, payload_encoding, payload_preview, parent, digest, location, wait, wait_id
) values (
    :execution, :seq, :generation, :ordinal, :type, :source_id, :name, :time, :id,
    :payload, :payload_encoding, :payload_preview, :parent, :digest, :location, :wait, :wait_id
);

-- name: delivered_events
select
    type, source_id, name, time, id, payload, payload_encoding, payload_preview,
    seq, ordinal, position, parent, digest, location, wait, wait_id
from events
where execution = :execution and generation = :generation and ordinal between :first and :last and ordinal > 0
order by ordinal;

-- name: answering_events
select 1 from events where execution = :execution and wait_id = :wait_id limit 1;

-- Reading.

-- name: get_execution
select * from execution_view where id = :id;

-- name: find_executions
select * from execution_view where id >= :first and id < :beyond order by id limit :limit;

-- name: ready_executions
select * from execution_view
where dispatch = 'ready' and substr(owner, 1, 6) <> 'local:' and not_before <= :now
order by not_before, serial
limit :limit;

-- name: held_executions
select * from execution_view where dispatch = 'held' order by owner, serial;

-- name: held_executions_of
select * from execution_view where dispatch = 'held' and owner = :owner order by serial;

-- name: history
select
    type, source_id, name, time, id, payload, payload_encoding, payload_preview,
    seq, ordinal, position, parent, digest, location, wait, wait_id
from events
where execution = (select serial from executions where id = :id) and seq > :after
order by seq
limit :limit;

-- name: tail
select
    v.type, v.source_id, v.name, v.time, v.id, v.payload, v.payload_encoding, v.payload_preview,
    v.seq, v.ordinal, v.position, v.parent, v.digest, v.location, v.wait, v.wait_id,
    x.*
from events v
join execution_view x on x.serial = v.execution
where v.position > :position
order by v.position
limit :limit;

-- name: last_position
select coalesce(max(position), 0) from events;

-- Lists: newest first, from `before` on. The filtered ones are repeated for each state and merged, which
-- reads only as many rows as are shown, however many executions there are.

-- name: list_executions
select * from execution_view where serial < :before order by serial desc limit :limit;

-- name: list_by_state
select * from execution_view where state = :state and serial < :before

-- name: list_by_namespace
select * from execution_view where namespace = :namespace and state = :state and serial < :before

-- name: list_by_workflow
select * from execution_view where workflow = :workflow and state = :state and serial < :before

-- name: list_by_ref
select * from execution_view
where namespace = :namespace and workflow = :workflow and state = :state and serial < :before

-- name: count_executions
select 1 from executions

-- name: count_by_state
select 1 from executions where state = :state

-- name: count_by_namespace
select 1 from executions where namespace = :namespace and state = :state

-- name: count_by_workflow
select 1 from executions where workflow = :workflow and state = :state

-- name: count_by_ref
select 1 from executions where namespace = :namespace and workflow = :workflow and state = :state
