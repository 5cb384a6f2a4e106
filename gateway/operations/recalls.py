"""What the operator asks of parties' copies, and the answers that it passes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from gateway.catalog import Catalog
from gateway.errors import BadInput
from gateway.exchange.recalling import answer_by_operator, recall_by_operator
from gateway.model import ObjectRef
from gateway.operations.control import Action, Progress
from gateway.policy.mesh import Mesh

Arguments = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Recalls:
    """`promised` tells a running gateway that there is something to deliver."""

    catalog: Catalog
    mesh: Callable[[], Mesh]
    clock: Callable[[], int]
    promised: Callable[[], None]

    def actions(self) -> Mapping[str, Action]:
        return {"recall": self.recall, "requests.answer": self.answer}

    async def recall(self, arguments: Arguments, progress: Progress) -> Any:
        party, bucket, key, version = (
            str(arguments.get(name) or "") for name in ("party", "bucket", "key", "version")
        )
        ref = ObjectRef(bucket, key)
        done = await recall_by_operator(
            self.catalog, self.mesh(), ref, party, version, self.clock()
        )
        self.promised()
        return asdict(done)

    async def answer(self, arguments: Arguments, progress: Progress) -> Any:
        answer = arguments.get("answer")
        if answer not in ("yes", "no"):
            raise BadInput("an answer is yes or no")
        request, note = str(arguments.get("id") or ""), str(arguments.get("note") or "")
        done = await answer_by_operator(self.catalog, request, answer == "yes", note, self.clock())
        self.promised()
        return {"id": done.id, "party": done.party, "object": str(done.ref), "answer": done.answer}
