/**
 * The help of a command as text, wrapped to the width of the terminal: what there is to do first, and the settings, which every command has, only with
 * those of `pnet` itself.
 */
import { displayWidth } from "effect/cli/CliOutput"
import type { FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Option from "effect/Option"
import type { Style } from "./output/style.ts"

/** Text as lines of at most so many cells, broken between words. A word that is longer has a line of its own. */
export const wrap = (text: string, width: number): ReadonlyArray<string> => {
  const lines: Array<string> = []
  for (const paragraph of text.split("\n")) {
    let line = ""
    for (const word of paragraph.split(" ")) {
      const longer = line === "" ? word : `${line} ${word}`
      if (line === "" || displayWidth(longer) <= width) line = longer
      else {
        lines.push(line)
        line = word
      }
    }
    lines.push(line)
  }
  return lines
}

interface Row {
  readonly left: string
  readonly right: string
}

// A left column is no wider; what does not fit in it has its description below.
const widest = 28
// A narrower right column is none.
const narrowest = 30

const rowsText = (rows: ReadonlyArray<Row>, width: number, look: (text: string) => string): ReadonlyArray<string> => {
  const fitting = rows.map(({ left }) => displayWidth(left)).filter((cells) => cells <= widest)
  const column = Math.max(8, ...fitting) + 4
  const room = width - column
  if (room < narrowest) {
    return rows.flatMap((
      { left, right }
    ) => [`  ${look(left)}`, ...wrap(right, width - 6).map((line) => `      ${line}`)])
  }
  const indent = " ".repeat(column)
  return rows.flatMap(({ left, right }) => {
    const [first = "", ...others] = wrap(right, room)
    const head = `  ${look(left)}`
    const used = displayWidth(left) + 2
    return used + 2 <= column
      ? [head + " ".repeat(column - used) + first, ...others.map((line) => indent + line)]
      : [head, ...[first, ...others].map((line) => indent + line)]
  })
}

const flagRow = ({ aliases, description, name, type }: FlagDoc): Row => ({
  left: [`--${name}`, ...aliases].join(", ") + (type === "boolean" ? "" : ` ${type}`),
  right: Option.getOrElse(description, () => "")
})

/** The help of a command. */
export const helpText = (doc: HelpDoc, style: Style, columns: number): string => {
  const width = Math.max(40, Math.min(columns, 120))
  const isRoot = (doc.commandPath?.length ?? 1) === 1
  const section = (title: string, lines: ReadonlyArray<string>) =>
    lines.length === 0 ? [] : ["", style.bold(title), ...lines]
  const flags = (title: string, of: ReadonlyArray<FlagDoc> | undefined) =>
    section(title, rowsText((of ?? []).map(flagRow), width, style.green))
  const commands = (doc.subcommands ?? []).flatMap(({ commands }) =>
    commands.map(({ alias, description, name, shortDescription }): Row => ({
      left: alias === undefined ? name : `${name}, ${alias}`,
      right: shortDescription ?? description
    }))
  )
  const examples = (doc.examples ?? []).flatMap(({ command, description }, i) => [
    ...(i > 0 ? [""] : []),
    ...(description === undefined ? [] : wrap(description, width - 4).map((line) => style.dim(`  # ${line}`))),
    `  ${style.cyan(command)}`
  ])
  return [
    style.bold(doc.usage),
    ...(doc.description === "" ? [] : ["", ...wrap(doc.description, width - 2).map((line) => `  ${line}`)]),
    ...section(
      "ARGUMENTS",
      rowsText(
        (doc.args ?? []).map(({ description, name, required, variadic }) => ({
          left: `${name}${variadic ? "..." : ""}`,
          right: `${Option.getOrElse(description, () => "")}${required ? "" : " (optional)"}`
        })),
        width,
        style.green
      )
    ),
    ...(isRoot ? [] : flags("FLAGS", doc.flags)),
    ...section("COMMANDS", rowsText(commands, width, style.cyan)),
    ...section("EXAMPLES", examples),
    ...(isRoot
      ? [...flags("SETTINGS, WHICH ALL COMMANDS HAVE", doc.flags), ...flags("BESIDES", doc.globalFlags)]
      : ["", style.dim("Settings, such as --name, --network and --json, are flags of every command: pnet --help")])
  ].join("\n")
}
