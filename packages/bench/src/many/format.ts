/** Messages from one to many, for people, and what is meant to be reached. */
import { count, millis, percent, table } from "@pnet/lab/harness/table"
import * as Effort from "../harness/effort.ts"
import type { Cell, Many } from "./figures.ts"
import { about } from "./subjects.ts"

const ruled = (cells: ReadonlyArray<Cell>, row: (cell: Cell) => ReadonlyArray<string>) =>
  cells.flatMap((cell, i) =>
    i > 0 && cells[i - 1]!.subscribers !== cell.subscribers ? [undefined, row(cell)] : [row(cell)]
  )

/** As tables. */
export const format = ({ cells, leftOut, pace }: Many): string =>
  [
    ...leftOut.map(({ reason, subject }) => `Left out: ${about[subject].title}: ${reason}`),
    ...cells.length === 0 ? [] : [
      table(
        [
          "to many",
          "subscribers",
          "delivered/s",
          "min / median / max",
          "CPU each, publisher",
          "subscriber",
          "lost",
          "encrypted"
        ],
        ruled(cells, (cell) => [
          about[cell.subject].title,
          `${cell.subscribers}`,
          count(cell.perSecond),
          Effort.formatSpread(cell.spread),
          `${cell.publisherMicros.toFixed(1)} us`,
          `${cell.subscriberMicros.toFixed(1)} us`,
          count(cell.lost),
          about[cell.subject].encrypted ?? "no"
        ])
      ),
      "",
      table(
        [
          `${count(pace)} published/s`,
          "subscribers",
          "were",
          "p50",
          "p99",
          "one frozen: rate",
          "p50",
          "p99",
          "back after"
        ],
        ruled(cells, ({ frozen, paced, subject, subscribers }) => [
          about[subject].title,
          `${subscribers}`,
          count(paced.perSecond),
          millis(paced.p50),
          millis(paced.p99),
          ...frozen === null ? ["-", "-", "-", "-"] : [
            percent(frozen.ofRate),
            `${millis(frozen.p50)} (${percent(frozen.ofP50)})`,
            `${millis(frozen.p99)} (${percent(frozen.ofP99)})`,
            frozen.back === null ? "never" : millis(frozen.back)
          ]
        ])
      )
    ]
  ].join("\n")
