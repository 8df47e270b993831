-- name: child_wait
-- The open wait of a call for a child, unless its end has been told.
select source_id, name from waits
where execution = :execution and id = :id and child = :child and answered = 0;

-- name: mark_child_wait
update waits set paused = :paused
where execution = :execution and id = :id and child = :child and answered = 0 and paused <> :paused;

-- name: open_children
select child from waits
where execution = :execution and child is not null and answered = 0
order by opened_at, id;

-- name: resting_waits
-- What decides whether an execution that nobody holds shows itself as PAUSED.
select
    coalesce(max(kind in ('input', 'divergence')), 0),
    coalesce(max(kind = 'backoff'), 0),
    min(case when paused = 1 then child end)
from waits
where execution = :execution and answered = 0;

-- name: newest_pause
select payload, payload_encoding, payload_preview from events
where execution = :execution and type = 'WORKFLOW_PAUSED' and payload is not null
order by seq desc
limit 1;

-- name: family_waits
-- Open waits of an execution, then those of the children that it waits for, at any depth.
with recursive family (id, depth) as (
    select :execution_id, 0
    union
    select w.child, f.depth + 1
    from family f
    join executions e on e.id = f.id
    join waits w on w.execution = e.serial
    where w.child is not null and w.answered = 0
)
select v.* from family f
join wait_view v on v.execution_id = f.id
order by f.depth, v.opened_at, v.execution, v.id;

-- name: children
select * from execution_view where parent_id = :parent and parent_id <> '' order by serial limit :limit;

-- name: list_by_parent
select * from execution_view
where parent_id = :parent and parent_id <> '' and state = :state and serial < :before
  and (:namespace is null or namespace = :namespace) and (:workflow is null or workflow = :workflow)

-- name: count_by_parent
select 1 from executions
where parent_id = :parent and parent_id <> '' and state = :state
  and (:namespace is null or namespace = :namespace) and (:workflow is null or workflow = :workflow)

-- name: live_children
-- Of an execution and of those that it has started, at any depth, what has not ended.
with recursive family (id) as (
    select e.id from executions e where e.parent_id = :parent and e.parent_id <> ''
    union
    select e.id from family f join executions e on e.parent_id = f.id and e.parent_id <> ''
)
select v.* from family f join execution_view v on v.id = f.id where v.dispatch <> 'done' order by v.serial;
