/** What is wrong, from all who notice it: what the node has met, names that several keys claim, and what `diagnose` finds. The same thing is one. */
import type * as Finding from "@pnet/core/Finding"
import type { Obstacle } from "@pnet/core/Obstacle"
import type { Conflict } from "@pnet/core/Peers"
import type * as Api from "../../ConsoleApi.ts"
import { cut } from "./cut.ts"
import { pointed } from "./said.ts"

/** A finding, as `Diagnose` and whoever stands in for it have it. */
export interface Found extends Finding.Described {
  readonly _tag: string
}

/** Findings that are what the node meets itself, where they are about the same place. */
const alike: Readonly<Record<string, Obstacle["kind"]>> = {
  KeyMismatch: "NetworkKey",
  ClockSkew: "Clock",
  SourceMismatch: "Source",
  HostNameUnresolved: "HostName",
  PeerUnreachable: "NoAnswer"
}

const obstacleOf = ({ kind, remedy, what }: Obstacle): Api.Finding => ({
  tag: kind,
  severity: "warning",
  message: cut(what, 1_000),
  remedy: cut(remedy, 1_000)
})

const findingOf = ({ _tag, message, remedy, severity }: Found): Api.Finding => ({
  tag: cut(_tag),
  severity,
  ...pointed(cut(message, 2_000)),
  remedy: cut(remedy, 2_000)
})

/** All of it but conflicts, which pages have apart. */
export const together = (
  obstacles: ReadonlyArray<Obstacle>,
  conflicts: ReadonlyArray<Conflict>,
  found: ReadonlyArray<Found>
): ReadonlyArray<Api.Finding> => {
  const isSaid = (one: Found): boolean =>
    one._tag === "NameShared"
      ? conflicts.some(({ name }) => name === (one as { readonly name?: unknown }).name)
      : obstacles.some(({ kind, where }) =>
        kind === alike[one._tag] && one.message.includes(where.replace(/:\d+$/, ""))
      )
  return [...obstacles.map(obstacleOf), ...found.filter((one) => !isSaid(one)).map(findingOf)]
}
