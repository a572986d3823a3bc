def test_create(as_alice):
    r = as_alice.post("/api/v1/tasks", {"title": "x"})
    assert r.status_code == 201, r.json()


def test_live(server, transactional_db):
    import urllib.request

    assert urllib.request.urlopen(server + "/health/ready").status == 200
