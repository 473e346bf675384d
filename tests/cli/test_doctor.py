from biolect.cli import doctor


def test_every_check_has_name_verdict_and_detail(biolect_command):
    outcome = biolect_command("doctor", "--json")

    assert outcome.code == 0
    checks = {check["name"]: check for check in outcome.result["checks"]}
    assert {"python", "torch", "bfloat16", "gpu", "compiler", "memory", "disk"} <= checks.keys()
    assert checks["python"]["ok"] is True
    assert all(set(check) == {"name", "ok", "detail"} and check["detail"] for check in checks.values())


def test_a_missing_extra_comes_with_the_command_that_mends_it(monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: None)

    details = {name: (ok, detail) for name, ok, detail in doctor._extras()}

    assert details["extra chem"] == (False, "lacks fcd-torch, rdkit: pip install 'biolect[chem]'")


def test_a_check_that_fails_does_not_stop_the_others(monkeypatch, biolect_command):
    def broken():
        raise RuntimeError("no such library")
        yield

    monkeypatch.setattr(doctor, "_torch", broken)

    checks = {check["name"]: check for check in biolect_command("doctor", "--json").result["checks"]}

    assert checks["broken"]["detail"] == "could not be checked: no such library"
    assert "disk" in checks


def test_another_version_than_the_pinned_one_is_named(monkeypatch):
    monkeypatch.setattr(doctor, "_installed", lambda name: "0.1" if name == "numpy" else None)

    ((_, ok, detail),) = doctor._constraints()

    assert not ok and detail.startswith("numpy 0.1 (pinned ")
