"""A migration that some database has had is never changed, not even in a comment: the database
remembers its checksum, and would be refused."""

from hai.store.migrate import load_migrations

# A new one is added here; a line that is here stays as it is.
RELEASED = {
    1: "0c896a21be382f917ae86b56bf39961b402246bdb205850b568ab3705c52ceb3",
    2: "ac903d6fe135055436455b30ee35d9f2591bc4e1184c80e99932f9a44228cc0f",
    3: "923d479417fa331af2d647ee550dba1d2741aa2ce8677e90d81cfa523680657c",
    4: "16107e33a76ab5067b4002f17f9d62d20fd0eb26e2b93d7c1a4bbff4c5728fee",
    5: "b9877a4535e5990a6c2c3315e7b75e262562d9b6c5b8943d66f2d6ef087a0edf",
    6: "ac9d3bd2693055c798870419e0c3d7d186bf2d001cdc76afb42e05f9224aedd1",
    7: "82dc5eead75539efbbafaa614638e7f1d2156b2f4cee78a80d528d49e68baaa9",
    8: "aab624f911222cf641ba65b3b03bc66f3d64a5765d3121b05c8a069065952f4b",
    9: "2ff8a3d7c4f31124df42fed551440495b560545e07566b55c49ce3dc79836a1d",
    10: "0861f2f4bc718cf60ef1d4b4832f0fc6bef19499b9b7c7db6e03997381e6b213",
    11: "be9cdae557b619771acca7b0739819b5dd509aa93ecb7e776ea52f76b74011b2",
}


def test_none_has_changed() -> None:
    now = {one.number: one.sha256 for one in load_migrations()}
    assert {number: now.get(number) for number in RELEASED} == RELEASED


def test_earlier_comments_are_known() -> None:
    first = load_migrations()[0]
    earlier = first.sql.replace("that they cannot deadlock", "that they can not deadlock")
    assert earlier != first.sql
    from dataclasses import replace

    assert first.is_recorded_as(replace(first, sql=earlier).sha256)
    assert not first.is_recorded_as(replace(first, sql="DROP TABLE users").sha256)
