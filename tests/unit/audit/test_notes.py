"""Notes and checkpoints: the vectors, whose signature counts, and what is refused."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.audit import notes
from gateway.audit.notes import COSIGNATURE_V1, Checkpoint, Signer
from gateway.errors import BadInput, InvalidArgument

ORIGIN = "files.example.com/-/log"
LOG = Signer(ORIGIN, bytes(range(32)))
WITNESS = Signer("globex.example/w", bytes(range(1, 33)), COSIGNATURE_V1)
STRANGER = Signer("stranger.example", bytes(32))
ROOT = base64.b64decode("yq3sFCdEKyfeEdIQTTZWTd3PLBer3MWKNl1cxWvu+dM=")
POINT = Checkpoint(ORIGIN, 7, ROOT)
NOTE = notes.sign_checkpoint(POINT, LOG)
COSIGNED = NOTE + notes.cosign(NOTE, WITNESS, 1_700_000_000)


def test_the_vectors() -> None:
    assert LOG.verifier.vkey == f"{ORIGIN}+7c6e22b5+AQOhB7/zzhC+HXDdGOdLwJln5NYwm6UNXx3chmQSVTG4"
    expected = (
        f"{ORIGIN}\n7\nyq3sFCdEKyfeEdIQTTZWTd3PLBer3MWKNl1cxWvu+dM=\n\n— {ORIGIN} "
        "fG4itdVENIMm5LuIweUkN8ERJQMey3YIcGqab2aMy5O1RB4qMdd7w/O3eYN9wxTQqAXKozTQmh6haCCd6UQWUot"
        "+mgM=\n"
    )
    assert expected == NOTE
    assert COSIGNED.removeprefix(NOTE) == (
        "— globex.example/w zVnnwQAAAABlU/EAf6D6uLY43ksiPY7NA7QEyT1mTjna/N8/0Be70zFWRtk89zXEf3JHAU"
        "gaXB8l09x4JqgKsekRVRHCJ644BLMOCQ==\n"
    )


def test_keys_round_trip_as_text_and_never_show_their_seed() -> None:
    for signer in (LOG, WITNESS):
        assert notes.parse_vkey(signer.verifier.vkey) == signer.verifier
        assert notes.parse_skey(signer.skey) == signer
        assert str(signer) == repr(signer) == f"Signer({signer.name})"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a+b",
        "a+00000000+AQ==",
        LOG.verifier.vkey.replace("7c6e22b5", "7c6e22b6"),
        LOG.verifier.vkey.replace("7c6e22b5", "7C6E22B5"),
        LOG.verifier.vkey.replace("files", "miles"),
        LOG.verifier.vkey + "=",
        "a b+" + LOG.verifier.vkey,
        "PRIVATE+KEY+x",
    ],
)
def test_broken_keys_are_refused(text: str) -> None:
    with pytest.raises(InvalidArgument):
        notes.parse_vkey(text)
    with pytest.raises(InvalidArgument):
        notes.parse_skey("PRIVATE+KEY+" + text)


def test_a_checkpoint_opens_with_those_who_signed_and_when() -> None:
    checkpoint, note = notes.open_checkpoint(COSIGNED, [LOG.verifier, WITNESS.verifier])
    assert checkpoint == POINT
    assert [(s.verifier.name, s.time) for s in note.signatures] == [
        (ORIGIN, 0),
        ("globex.example/w", 1_700_000_000),
    ]


def test_unknown_keys_are_passed_over() -> None:
    both = NOTE + notes.sign_note(POINT.text, [STRANGER]).split("\n\n")[1]
    assert notes.open_checkpoint(both, [LOG.verifier])[1].signatures[0].verifier == LOG.verifier
    garbled = NOTE + f"— {STRANGER.name} AAAAAAAA\n" * 20
    assert notes.open_checkpoint(garbled, [LOG.verifier])[0] == POINT


def test_a_note_without_a_known_key_is_refused() -> None:
    with pytest.raises(BadInput, match="known key"):
        notes.open_note(NOTE, [STRANGER.verifier])


def test_a_known_key_that_fails_rejects_the_note_though_another_is_good() -> None:
    spoilt = COSIGNED.replace("ZVPxAH", "ZVPxAG").replace("AAAABlU", "AAAABkU")
    assert spoilt != COSIGNED
    assert notes.open_checkpoint(spoilt, [LOG.verifier])[0] == POINT
    with pytest.raises(BadInput, match="is wrong"):
        notes.open_checkpoint(spoilt, [LOG.verifier, WITNESS.verifier])


def test_a_witness_alone_does_not_make_a_checkpoint() -> None:
    with pytest.raises(BadInput, match="log itself"):
        notes.open_checkpoint(COSIGNED, [WITNESS.verifier])
    posing = Signer(ORIGIN, LOG.seed, COSIGNATURE_V1)
    note = f"{POINT.text}\n" + notes.cosign(NOTE, posing, 1)
    with pytest.raises(BadInput, match="log itself"):
        notes.open_checkpoint(note, [posing.verifier])


@pytest.mark.parametrize(
    "text",
    [
        "o\n7\n",
        "o\n07\n" + POINT.text.split("\n")[2] + "\n",
        "o\n-1\n" + POINT.text.split("\n")[2] + "\n",
        "o\n\u0667\n" + POINT.text.split("\n")[2] + "\n",
        "o\n9999999999999999999\n" + POINT.text.split("\n")[2] + "\n",
        "o\n7\nAAAA\n",
        "o\n7\n!!!\n",
        "two words\n7\n" + POINT.text.split("\n")[2] + "\n",
        POINT.text + "an extension\n",
    ],
)
def test_other_texts_are_no_checkpoints(text: str) -> None:
    with pytest.raises(BadInput):
        notes.parse_checkpoint(text)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        NOTE[:-1],
        NOTE + "\n",
        NOTE.replace("— ", "- "),
        NOTE.replace("\n\n", "\n"),
        POINT.text + "\n",
        NOTE.replace("7\n", "7\r\n"),
        NOTE + "— x AA\n",
        NOTE + "—  AAAAAAAAAA==\n",
        NOTE + "— a+b AAAAAAAAAA==\n",
        NOTE + f"— {STRANGER.name} AAAAAAAA\n" * 200,
        "\ud800" + NOTE,
        "x" * 1_000_001 + NOTE,
    ],
)
def test_malformed_notes_are_refused(note: str) -> None:
    with pytest.raises(BadInput):
        notes.open_note(note, [LOG.verifier])


@given(st.integers(0, len(NOTE) - 1), st.characters(exclude_categories=["Cs"]))
def test_no_changed_note_passes(place: int, letter: str) -> None:
    changed = NOTE[:place] + letter + NOTE[place + 1 :]
    if changed == NOTE:
        return
    with pytest.raises(BadInput):
        notes.open_checkpoint(changed, [LOG.verifier])


def test_signatures_stand_behind_the_last_blank_line() -> None:
    text = "one\n\ntwo\n"
    assert notes.open_note(notes.sign_note(text, [LOG]), [LOG.verifier]).text == text


def test_only_the_logs_own_key_signs_its_checkpoints() -> None:
    with pytest.raises(InvalidArgument):
        notes.sign_checkpoint(POINT, STRANGER)
    with pytest.raises(InvalidArgument):
        notes.cosign(NOTE, LOG, 1)
