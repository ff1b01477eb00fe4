/** The last values of a topic, against an array that keeps them naively, by seeds. */
import { describe, it } from "@effect/vitest"
import { Retained } from "../../src/internal/topics/retained.ts"
import { dice, same } from "./dice.ts"

interface Row {
  readonly key: string
  readonly value: { readonly bytes: number }
  readonly at: number
}

const sum = (rows: ReadonlyArray<Row>) => rows.reduce((all, { value }) => all + value.bytes, 0)

describe("what a topic retains", () => {
  it("is what an array would keep: so many keys and bytes, each for its time, the one put longest ago first", () => {
    for (let seed = 1; seed <= 60; seed++) {
      const roll = dice(seed)
      const most = 50 + roll(100)
      const mostKeys = 1 + roll(7)
      const shared = 40 + roll(150)
      const timeToLive = roll(3) === 0 ? undefined : 1 + roll(60)
      const each = roll(2) * 9
      const overhead = each === 0 ? {} : { overhead: each }
      let held = 0
      const dropped: Array<unknown> = []
      const retained = new Retained<Row["value"]>({
        keys: mostKeys,
        bytes: most,
        timeToLive,
        bytesOf: ({ bytes }) => bytes,
        ...overhead,
        take: (bytes) => {
          if (held + bytes > shared) return false
          held += bytes
          return true
        },
        give: (bytes) => void (held -= bytes),
        onDrop: (key, value) => dropped.push(key, value)
      })
      let rows: ReadonlyArray<Row> = []
      let now = 0
      for (let i = 0; i < 150; i++) {
        const what = `seed ${seed}, step ${i}`
        now += roll(8)
        const key = "abcdefghij"[roll(10)]!
        const way = roll(10)
        dropped.length = 0
        if (way < 7) {
          const value = { bytes: roll(12) === 0 ? 20 + roll(180) : roll(30) }
          const gone: Array<unknown> = []
          rows = rows.filter((row) => row.key !== key)
          let fits = value.bytes <= most
          while (
            fits &&
            (rows.length >= mostKeys || sum(rows) + value.bytes > most ||
              sum(rows) + value.bytes + (rows.length + 1) * each > shared)
          ) {
            const first = rows[0]
            if (first === undefined) fits = false
            else {
              gone.push(first.key, first.value)
              rows = rows.slice(1)
            }
          }
          if (fits) rows = [...rows, { key, value, at: now }]
          else gone.push(key, value)
          same([retained.put(key, value, now)], [fits], what)
          same(dropped, gone, what)
        } else if (way < 8) {
          same([retained.remove(key)], [rows.find((row) => row.key === key)?.value], what)
          rows = rows.filter((row) => row.key !== key)
        } else {
          const isOver = ({ at }: Row) => timeToLive !== undefined && at + timeToLive <= now
          same(retained.expire(now), rows.filter(isOver).map(({ key }) => key), what)
          rows = rows.filter((row) => !isOver(row))
          same(dropped, [], what)
        }
        same([...retained.keys()], rows.map(({ key }) => key), what)
        const first = rows[0]
        same(
          [retained.size, held, retained.get(key), retained.nextExpiry],
          [
            rows.length,
            sum(rows) + rows.length * each,
            rows.find((row) => row.key === key)?.value,
            timeToLive === undefined || first === undefined ? undefined : first.at + timeToLive
          ],
          what
        )
      }
    }
  })
})
