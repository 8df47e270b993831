-- Child executions: which call of its parent has started one, and which waits are for one.

alter table executions add column parent_call text not null default '';

create index executions_by_parent on executions (parent_id, state, serial) where parent_id <> '';

alter table waits add column child text;

-- 1 while the child waits for a person
alter table waits add column paused integer not null default 0;

drop view execution_view;

create view execution_view as
select
    e.serial, e.id, e.namespace, e.workflow, e.state,
    i.data as input, i.encoding as input_encoding, i.preview as input_preview,
    e.output, e.output_encoding, e.output_preview,
    e.version, e.digest, e.generation, e.owner,
    e.created_at, e.updated_at, e.started_at, e.finished_at,
    e.last_seq, e.open_tasks, e.parent_id, e.parent_call,
    e.dispatch, e.not_before, e.deaths, e.last_ordinal, e.open_waits, e.attention, e.revision
from executions e
join execution_inputs i on i.serial = e.serial;

drop view wait_view;

create view wait_view as
select
    w.execution, e.id as execution_id, e.namespace, e.workflow,
    w.id, w.name, w.kind, w.opened_at, w.wake_at,
    w.output, w.output_encoding, w.output_preview, w.schema, w.model, w.answered, w.child
from waits w
join executions e on e.serial = w.execution;
