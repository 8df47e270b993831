-- name: put_secret
insert into secrets (name, sealed, updated_at) values (:name, :sealed, :now)
on conflict (name) do update set sealed = excluded.sealed, updated_at = excluded.updated_at;

-- name: get_secret
select sealed from secrets where name = :name;

-- name: list_secrets
select name, sealed from secrets order by name;

-- name: secrets_state
-- Changes whenever a secret does.
select count(*), coalesce(max(updated_at), 0) from secrets;

-- name: delete_secret
delete from secrets where name = :name;

-- name: put_config
insert into configs (name, data, updated_at) values (:name, :data, :now)
on conflict (name) do update set data = excluded.data, updated_at = excluded.updated_at;

-- name: get_config
select data from configs where name = :name;

-- name: list_configs
select name from configs order by name;

-- name: delete_config
delete from configs where name = :name;
