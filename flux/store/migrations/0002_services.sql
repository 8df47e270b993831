-- Services: a name for a choice of workflows.

create table services (
    name text primary key,
    -- JSON: namespaces, workflows and exclusions, in the order they were given
    selectors text not null,
    mcp_enabled integer not null,
    created_at integer not null,
    updated_at integer not null
);
