-- name: open_wait
-- Opening it again (a refused answer) makes it answerable again, and it keeps its age.
insert into waits (
    execution, id, source_id, name, kind, opened_at, wake_at, next_wake,
    output, output_encoding, output_preview, schema, model, answered, child, paused
) values (
    :execution, :id, :source_id, :name, :kind, :opened_at, :wake_at, :wake_at,
    :output, :output_encoding, :output_preview, :schema, :model, 0, :child, 0
)
on conflict (execution, id) do update set
    source_id = excluded.source_id, name = excluded.name, kind = excluded.kind, wake_at = excluded.wake_at,
    next_wake = excluded.next_wake,
    output = excluded.output, output_encoding = excluded.output_encoding,
    output_preview = excluded.output_preview, schema = excluded.schema, model = excluded.model, answered = 0,
    child = excluded.child, paused = 0;

-- name: answer_wait
update waits set answered = 1 where execution = :execution and id = :id;

-- name: close_wait
-- Returns the children whose end nobody waits for any more.
delete from waits where execution = :execution and source_id = :source_id
returning case when answered = 0 then child end;

-- name: close_divergences
delete from waits where execution = :execution and kind = 'divergence';

-- name: close_all_waits
delete from waits where execution = :execution
returning case when answered = 0 then child end;

-- name: count_waits
select count(*) from waits where execution = :execution;

-- name: shown_wait
-- What a paused execution shows to people: its divergence, else its oldest open question.
select output, output_encoding, output_preview from waits
where execution = :execution and kind in ('input', 'divergence') and answered = 0
order by kind, opened_at, id
limit 1;

-- name: waits_at_release
-- What decides whether a released execution is ready again at once. A divergence parks it.
select
    coalesce(max(answered), 0),
    coalesce(max(answered = 0 and next_wake is not null and next_wake <= :now), 0),
    coalesce(max(kind = 'divergence'), 0),
    coalesce(max(answered = 0 and child is not null), 0)
from waits
where execution = :execution;

-- name: postpone_wakes
-- A new owner knows what is due now. What it leaves open nevertheless wakes the execution again only after a
-- while, which grows with the age of the wait: else an owner that cannot use it would be given it for ever.
update waits
set next_wake = :now + max(:delay, :now - wake_at)
where execution = :execution and answered = 0 and next_wake is not null and next_wake <= :now;

-- name: oldest_waits
select * from wait_view order by opened_at limit :limit;

-- name: oldest_human_waits
select * from wait_view where kind in ('input', 'divergence') order by opened_at limit :limit;

-- name: due_executions
-- Idle ones whose time has come; a divergence keeps them parked.
select distinct e.id
from waits w
join executions e on e.serial = w.execution
where w.next_wake is not null and w.answered = 0 and w.next_wake <= :now and e.dispatch = 'idle'
  and not exists (select 1 from waits d where d.execution = w.execution and d.kind = 'divergence');

-- name: next_wake
select w.next_wake
from waits w
join executions e on e.serial = w.execution
where w.next_wake is not null and w.answered = 0 and e.dispatch = 'idle'
  and not exists (select 1 from waits d where d.execution = w.execution and d.kind = 'divergence')
order by w.next_wake
limit 1;

-- name: next_ready
select not_before from executions
where dispatch = 'ready' and substr(owner, 1, 6) <> 'local:' and not_before > :now
order by not_before
limit 1;
