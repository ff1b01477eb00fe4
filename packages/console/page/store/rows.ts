/** The last values of a topic, as a table that rows come into and go from. */
import type { Row, Rows } from "@pnet/console/ConsoleApi"

export interface Table {
  readonly rows: ReadonlyMap<string, Row>
  readonly count: number
  readonly published: number
  readonly missed: number
}

export const noRows: Table = { rows: new Map(), count: 0, published: 0, missed: 0 }

const idOf = (from: string, topic: string, key: string): string => JSON.stringify([from, topic, key])

export const rowId = ({ from, key, topic }: Row): string => idOf(from.key, topic, key)

/** The table with what has changed. A row keeps its place. */
export const withRows = (before: Table, { count, gone, missed, published, rows }: Rows): Table => {
  const now = new Map(before.rows)
  for (const one of gone) now.delete(idOf(one.from, one.topic, one.key))
  for (const row of rows) now.set(rowId(row), row)
  return { rows: now, count, published: before.published + published, missed: before.missed + missed }
}
