-- name: register_worker
insert into workers (name, data, registered_at, last_seen) values (:name, :data, :now, :now)
on conflict (name) do update set data = excluded.data, last_seen = excluded.last_seen
returning name, data, registered_at, last_seen;

-- name: get_worker
select name, data, registered_at, last_seen from workers where name = :name;

-- name: list_workers
select name, data, registered_at, last_seen from workers order by name;

-- name: seen_worker
update workers set last_seen = max(last_seen, :now) where name = :name;

-- name: remove_worker
delete from workers where name = :name;
