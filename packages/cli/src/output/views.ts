/**
 * What each shape looks like for people. Every text in a value is harmless already when it comes here.
 */
import type { Shape, ShapeName } from "./shapes.ts"
import type { Style } from "./style.ts"
import type { Column } from "./table.ts"

/** How the values of a shape are shown. */
export interface View<A> {
  /** Several of them: a table. Left out: a line each. */
  readonly columns?: ReadonlyArray<Column<A>>
  /** What is said where there are none. */
  readonly none?: string
  /** One of them. Left out: as a table of one. */
  readonly one?: (value: A, style: Style) => string
  /** Whether line ends in its texts stay. */
  readonly lines?: boolean
}

/** A value as people read it: texts as they are, everything else as JSON. */
export const shown = (value: unknown): string =>
  typeof value === "string" ? value : JSON.stringify(value, null, 2) ?? ""

const looks: Record<string, keyof Style> = {
  started: "green",
  joined: "green",
  returned: "green",
  suspected: "yellow",
  restarted: "yellow",
  left: "dim",
  lost: "red",
  conflict: "red",
  called: "cyan",
  stopped: "dim"
}

const eventLine = ({ event, text, time }: Shape<"event">, style: Style): string =>
  `${style.dim(time.slice(11, 19))} ${style[looks[event] ?? "bold"](text)}`

/** The views by shape. */
export const views: { readonly [Name in ShapeName]: View<Shape<Name>> } = {
  peer: {
    columns: [
      { title: "NAME", cell: ({ name }) => name, gives: true, look: (style, text) => style.bold(text) },
      {
        title: "STATUS",
        cell: ({ status }) => status,
        look: (style, text, { status }) => status === "online" ? style.green(text) : style.yellow(text)
      },
      { title: "ADDRESS", cell: ({ addresses }) => addresses[0] ?? "", gives: true },
      { title: "KEY", cell: ({ fingerprint }) => fingerprint, gives: true, look: (style, text) => style.dim(text) },
      { title: "ROLES", cell: ({ roles }) => roles.join(","), gives: true },
      { title: "FUNCTIONS", cell: ({ functions }) => functions.join(","), gives: true }
    ],
    none: "no peers were found"
  },
  event: { one: eventLine },
  answer: {
    lines: true,
    columns: [
      { title: "PEER", cell: ({ peer }) => peer, look: (style, text) => style.bold(text) },
      {
        title: "ANSWER",
        cell: ({ failure, value }) => failure === undefined ? JSON.stringify(value) ?? "" : failure.message,
        gives: true,
        look: (style, text, { failure }) => failure === undefined ? text : style.red(text)
      }
    ],
    none: "no peers were found",
    one: ({ failure, value }) => failure === undefined ? shown(value) : failure.message
  },
  error: {
    one: ({ detail, hint, message, see }, style) =>
      [
        `${style.red("pnet:")} ${message}`,
        ...(detail === undefined ? [] : [style.dim(`  ${JSON.stringify(detail)}`)]),
        ...(hint === undefined ? [] : [`  ${hint}`]),
        ...(see === undefined ? [] : [style.dim(`  see ${see}`)])
      ].join("\n")
  }
}
