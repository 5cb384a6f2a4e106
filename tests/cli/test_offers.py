"""`crossdock offers`, as the operator sees it, and as a party may."""

from tests.cli.site import ACME, Site

MORE = ACME + '  - {id: asn, bucket: orders, keys: ["invoices/asn/**"], to: {umbra: copy}}\n'
UMBRA = "party: umbra\n"


def make(site: Site) -> None:
    topology = (site.folder / "policies/topology.yaml").read_text()
    umbra = "  umbra: {store: {type: file, path: ../umbra}, principals: [{name: desk}]}\nbuckets:"
    topology = topology.replace("buckets:", umbra).replace(
        "initech: {}}", "initech: {}, umbra: {}}"
    )
    site.write("policies/topology.yaml", topology)
    site.write("policies/acme.yaml", MORE)
    site.write("policies/initech.yaml", "party: initech\n")


def test_nothing_is_outstanding_where_all_is_accepted(site: Site) -> None:
    assert site.ask("offers") == []
    assert "nothing is offered" in site.call("offers").stdout


def test_the_operator_sees_all_with_rules_and_lines(site: Site) -> None:
    make(site)
    found = site.ask("offers")
    assert [(o["from"], o["to"], o["mode"], o["rule"]) for o in found] == [
        ("acme", "initech", "share", "acme.yaml:4 (invoices)"),
        ("acme", "umbra", "copy", "acme.yaml:5 (asn)"),
    ]
    shown = site.call("offers").stdout
    assert "in policies/umbra.yaml under accepts:" in shown
    assert found[1]["accept_with"] in shown


def test_the_line_accepts_it_when_it_is_pasted(site: Site) -> None:
    make(site)
    for offer in site.ask("offers"):
        text = f"party: {offer['to']}\naccepts:\n  {offer['accept_with']}\n"
        site.write(f"policies/{offer['to']}.yaml", text)
    assert site.ask("offers") == []
    told = site.ask("policy", "explain", "umbra", "read", "orders/invoices/asn/1")
    assert [each["mode"] for each in told] == ["copy"]


def test_a_party_is_told_what_it_may_know(site: Site) -> None:
    make(site)
    (theirs,) = site.ask("offers", "--party", "umbra")
    assert theirs.keys() == {"from", "to", "bucket", "keys", "mode", "accepted_as", "accept_with"}
    both = site.ask("offers", "--party", "acme")
    assert [each["to"] for each in both] == ["initech", "umbra"]
    assert all("accepted_as" not in each and "accept_with" not in each for each in both)
    assert "acme.yaml" not in site.call("offers", "--party", "umbra").stdout
    assert site.call("offers", "--party", "nobody").exit_code == 2
