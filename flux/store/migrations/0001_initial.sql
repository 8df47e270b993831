-- Executions, their events and open waits; the catalog; workers; captured output.
--
-- `serial` orders executions as they were created and stands for them inside the database: it keeps
-- the indices of millions of events small. Times are microseconds since the epoch, UTC.

create table executions (
    serial integer primary key,
    id text not null unique,
    namespace text not null,
    workflow text not null,
    state text not null,
    version integer not null,
    digest text not null,
    parent_id text not null,
    idempotency_key text unique,
    output blob,
    output_encoding text,
    output_preview text,
    -- who may write: an older generation than this one is refused
    generation integer not null,
    owner text not null,
    -- ready: waits for a worker; held: a worker has it; idle: waits for an answer or a time; done: finished
    dispatch text not null check (dispatch in ('ready', 'held', 'idle', 'done')),
    not_before integer not null,
    deaths integer not null,
    created_at integer not null,
    updated_at integer not null,
    started_at integer,
    finished_at integer,
    last_seq integer not null,
    last_ordinal integer not null,
    open_waits integer not null,
    -- 1 when an answer or a cancel request came that its owner may not have seen
    attention integer not null,
    -- names of started and unfinished tasks, a line each, newest last
    open_tasks text not null,
    -- grows with every change of the row
    revision integer not null
);

-- newest first, with any combination of the filters of a list
create index executions_by_state on executions (state, serial);
create index executions_by_namespace on executions (namespace, state, serial);
create index executions_by_workflow on executions (workflow, state, serial);
create index executions_by_ref on executions (namespace, workflow, state, serial);
-- the queue; executions of local runs are never handed to workers
create index executions_ready on executions (not_before, serial)
    where dispatch = 'ready' and substr(owner, 1, 6) <> 'local:';
create index executions_held on executions (owner, serial) where dispatch = 'held';

-- An input never changes and may be large, the row above changes with every event.
create table execution_inputs (
    serial integer primary key references executions (serial),
    data blob not null,
    encoding text not null,
    preview text not null
);

create table events (
    position integer primary key,
    execution integer not null references executions (serial),
    seq integer not null,
    generation integer not null,
    ordinal integer not null,
    type text not null,
    source_id text not null,
    name text not null,
    time integer not null,
    id text not null,
    payload blob,
    -- null: json
    payload_encoding text,
    payload_preview text,
    parent text not null,
    digest text not null,
    location text not null,
    -- JSON of the wait that the event opens
    wait text,
    -- the wait that the event answers
    wait_id text
);

create unique index events_by_seq on events (execution, seq);
create unique index events_by_ordinal on events (execution, generation, ordinal) where ordinal > 0;

create table waits (
    execution integer not null references executions (serial),
    id text not null,
    source_id text not null,
    name text not null,
    kind text not null,
    opened_at integer not null,
    wake_at integer,
    output blob,
    output_encoding text,
    output_preview text,
    schema text not null,
    model text not null,
    answered integer not null,
    primary key (execution, id)
);

create index waits_due on waits (wake_at) where wake_at is not null and answered = 0;
create index waits_oldest on waits (opened_at);
create index waits_human on waits (opened_at) where kind in ('input', 'divergence');

create view execution_view as
select
    e.serial, e.id, e.namespace, e.workflow, e.state,
    i.data as input, i.encoding as input_encoding, i.preview as input_preview,
    e.output, e.output_encoding, e.output_preview,
    e.version, e.digest, e.generation, e.owner,
    e.created_at, e.updated_at, e.started_at, e.finished_at,
    e.last_seq, e.open_tasks, e.parent_id,
    e.dispatch, e.not_before, e.deaths, e.last_ordinal, e.open_waits, e.attention, e.revision
from executions e
join execution_inputs i on i.serial = e.serial;

create view wait_view as
select
    w.execution, e.id as execution_id, e.namespace, e.workflow,
    w.id, w.name, w.kind, w.opened_at, w.wake_at,
    w.output, w.output_encoding, w.output_preview, w.schema, w.model, w.answered
from waits w
join executions e on e.serial = w.execution;

create table bundles (
    digest text primary key,
    entry text not null,
    created_at integer not null
);

create table modules (
    digest text not null references bundles (digest),
    name text not null,
    path text not null,
    source text not null,
    package integer not null,
    primary key (digest, name)
);

create table workflows (
    namespace text not null,
    name text not null,
    version integer not null,
    deleted integer not null,
    primary key (namespace, name)
);

create table workflow_versions (
    namespace text not null,
    name text not null,
    version integer not null,
    digest text not null references bundles (digest),
    -- JSON of everything else that is known of it
    spec text not null,
    created_at integer not null,
    primary key (namespace, name, version),
    foreign key (namespace, name) references workflows (namespace, name)
);

create view version_view as
select
    v.namespace, v.name, v.version, v.digest, v.spec, v.created_at, m.path,
    w.version as current_version, w.deleted
from workflow_versions v
join workflows w on w.namespace = v.namespace and w.name = v.name
join bundles b on b.digest = v.digest
join modules m on m.digest = b.digest and m.name = b.entry;

create table workers (
    name text primary key,
    -- JSON of what the worker says of itself
    data text not null,
    registered_at integer not null,
    last_seen integer not null
);

create table logs (
    id integer primary key,
    execution_id text not null,
    time integer not null,
    level text not null,
    source text not null,
    task text not null,
    text text not null
);

create index logs_by_execution on logs (execution_id, id);
