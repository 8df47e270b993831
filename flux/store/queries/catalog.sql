-- name: insert_bundle
insert into bundles (digest, entry, created_at) values (:digest, :entry, :created_at) on conflict do nothing;

-- name: insert_module
-- The same source may have moved to another place since.
insert into modules (digest, name, path, source, package) values (:digest, :name, :path, :source, :package)
on conflict (digest, name) do update set path = excluded.path;

-- name: get_bundle
select b.entry, m.name, m.path, m.source, m.package
from bundles b
join modules m on m.digest = b.digest
where b.digest = :digest;

-- name: insert_workflow
insert into workflows (namespace, name, version, deleted) values (:namespace, :name, 0, 0)
on conflict (namespace, name) do update set deleted = 0;

-- name: next_version
update workflows set version = version + 1 where namespace = :namespace and name = :name returning version;

-- name: insert_version
insert into workflow_versions (namespace, name, version, digest, spec, created_at)
values (:namespace, :name, :version, :digest, :spec, :created_at);

-- name: current_version
select * from version_view
where namespace = :namespace and name = :name and version = current_version and deleted = 0;

-- name: known_version
select * from version_view where namespace = :namespace and name = :name and version = :version;

-- name: list_versions
select * from version_view where namespace = :namespace and name = :name order by version desc;

-- name: list_workflows
select * from version_view where version = current_version and deleted = 0 order by namespace, name;

-- name: list_workflows_of
select * from version_view
where namespace = :namespace and version = current_version and deleted = 0
order by name;

-- name: delete_workflow
update workflows set deleted = 1 where namespace = :namespace and name = :name and deleted = 0;
