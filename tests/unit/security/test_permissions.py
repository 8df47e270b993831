from flux.security import Permission


def test_names_are_group_and_deed():
    names = [str(permission) for permission in Permission]
    assert len(set(names)) == len(names)
    assert all(name.count(":") == 1 for name in names if name != "public")


def test_a_permission_is_its_name():
    assert Permission("executions:run") is Permission.EXECUTIONS_RUN
