-- name: insert_service
insert into services (name, selectors, mcp_enabled, created_at, updated_at)
values (:name, :selectors, :mcp_enabled, :now, :now)
on conflict (name) do nothing
returning name, selectors, mcp_enabled, created_at, updated_at;

-- name: get_service
select name, selectors, mcp_enabled, created_at, updated_at from services where name = :name;

-- name: get_service_to_change
-- Inside the transaction that will write it.
select name, selectors, mcp_enabled, created_at, updated_at from services where name = :name;

-- name: list_services
select name, selectors, mcp_enabled, created_at, updated_at from services order by name;

-- name: update_service
update services set selectors = :selectors, mcp_enabled = :mcp_enabled, updated_at = :now
where name = :name
returning name, selectors, mcp_enabled, created_at, updated_at;

-- name: delete_service
delete from services where name = :name;
