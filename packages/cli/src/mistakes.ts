/**
 * Mistakes of the command line that are found before a command runs, in the words that those have which are found later: what was refused, what was expected, and what to
 * do. effect/cli finds them, and has words of its own for each.
 */
import type * as CliError from "effect/cli/CliError"
import type * as HelpDoc from "effect/cli/HelpDoc"
import { didYouMean, orOf } from "./nearest.ts"

/** What is wrong with a command line, and what was meant, as far as that can be said. */
export interface Mistakes {
  readonly message: string
  readonly hint: string
  /** Whether how the command is written says more. */
  readonly usage: boolean
}

/** Where a flag is that the command has not: the commands that have it. */
export type FlagOwners = (flag: string) => ReadonlyArray<string>

// A flag of more commands than that is none of one's.
const mostOwners = 3

const alternatives = /^"[^"]*"(?: \| "[^"]*")+$/

/** What was expected, without the names that it has in programs. */
const expectedOf = (text: string): string => {
  const expected = text.replaceAll(/\s+/g, " ").trim()
    .replace(/^Schema validation failed: /, "").replace(/^expected:? /i, "")
    .replace(/^a string representing an? (?:finite number|integer|number)$/, "a whole number")
  if (!alternatives.test(expected)) return expected
  const all = expected.split(" | ").map((one) => one.slice(1, -1))
  return all.includes("true") && all.includes("false") ? "true or false" : orOf(all)
}

const placeOf = (kind: "flag" | "argument", name: string): string => kind === "flag" ? `--${name}` : `<${name}>`

const said = (error: CliError.CliError): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return error.command === undefined || error.command.length < 2
        ? `there is no flag ${error.option}`
        : `there is no flag ${error.option} of ${error.command.join(" ")}`
    case "UnknownSubcommand":
      return error.parent === undefined || error.parent.length < 2
        ? `there is no command ${JSON.stringify(error.subcommand)}`
        : `there is no command ${JSON.stringify(error.subcommand)} of ${error.parent.join(" ")}`
    case "InvalidValue": {
      const place = placeOf(error.kind, error.option)
      const times = /^(\d+) occurrences$/.exec(error.value)
      if (times !== null) return `${place} is there ${times[1]} times: give it once`
      // The name that its value has in the help is no description of it.
      if (error.value === "") {
        return /^[A-Z|=:,…]+$/.test(error.expected)
          ? `${place} has no value: give ${place} ${error.expected}`
          : `${place} has no value: expected ${expectedOf(error.expected)}`
      }
      return `${place} ${JSON.stringify(error.value)} was refused: expected ${expectedOf(error.expected)}`
    }
    case "MissingOption":
      return `--${error.option} is missing`
    case "MissingArgument":
      return `<${error.argument}> is missing`
    case "UnexpectedArgument":
      return `${error.arguments.map((one) => JSON.stringify(one)).join(", ")} ${
        error.arguments.length === 1 ? "is an argument" : "are arguments"
      } too many`
    default:
      return error.message
  }
}

/** What was meant by a name that is none. */
const meantBy = (error: CliError.CliError, doc: HelpDoc.HelpDoc, owners: FlagOwners): string | undefined => {
  switch (error._tag) {
    case "UnknownSubcommand":
      return didYouMean(error.subcommand, error.suggestions)
    case "UnrecognizedOption": {
      const having = owners(error.option)
      if (having.length > 0 && having.length <= mostOwners) {
        return `${error.option} is a flag of ${orOf(having.map((name) => `pnet ${name}`))};`
      }
      const flags = [...doc.flags, ...doc.inheritedFlags ?? [], ...doc.globalFlags ?? []].map(({ name }) => `--${name}`)
      return didYouMean(error.option, [...error.suggestions, ...flags])
    }
    default:
      return undefined
  }
}

/** What is said of mistakes of a command line. */
export const mistakesOf = (
  errors: ReadonlyArray<CliError.CliError>,
  { commandPath, doc, owners }: {
    readonly commandPath: ReadonlyArray<string>
    readonly doc: HelpDoc.HelpDoc
    readonly owners: FlagOwners
  }
): Mistakes => {
  // What stands behind a flag that is none may be its value: that it is no command says nothing.
  const hasNoFlag = errors.some(({ _tag }) => _tag === "UnrecognizedOption")
  const all = errors.filter(({ _tag }) => !hasNoFlag || _tag !== "UnknownSubcommand")
  const help = `run: ${commandPath.join(" ")} --help`
  const [meant] = all.flatMap((error) => meantBy(error, doc, owners) ?? [])
  return {
    message: all.map(said).join("; "),
    hint: meant === undefined ? help : `${meant} or ${help}`,
    usage: all.some(({ _tag }) => _tag !== "InvalidValue")
  }
}
