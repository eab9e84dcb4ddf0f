"""The images that are not used, or not as they could be, by their places in the source."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.stages.preprocess.draw import Draw
from pipeline.stages.preprocess.findings import Findings
from pipeline.stages.preprocess.members import Member, rows_where


@dataclass(frozen=True)
class LeftOut:
    """Places of images, of which there are few in most data sets.

    Attributes:
        rejected: place and reason of each item that is not used, sorted.
        duplicates: those that left their split because their pixels are in another one, sorted.
        contradicted: those whose pixels stand under two labels, each with its place.
    """

    rejected: list[tuple[str, str]]
    duplicates: list[str]
    contradicted: list[tuple[Member, str]]

    @classmethod
    def of(cls, drawn: Draw, findings: Findings) -> LeftOut:
        """Looks their places up."""
        members = drawn.members
        rejected = [(place, reason) for _, place, reason in drawn.rejected]
        for rows, reason in drawn.left_out:
            rejected += [(place, reason) for place in findings.places_at(rows.tolist())]
        contradicted = members.view(members.contradicted)
        places = findings.places_at([member.row for member in contradicted])
        return cls(
            sorted(rejected),
            sorted(findings.places_at(rows_where(members.duplicate).tolist())),
            list(zip(contradicted, places, strict=True)),
        )
