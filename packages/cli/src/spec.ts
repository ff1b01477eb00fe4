/**
 * How a command is declared: its name, what it takes, and examples, without what it does. That is in `run/`, and loaded when the command is run.
 */
import type * as Command from "effect/cli/Command"
import type { ShapeName } from "./output/shapes.ts"

/** A command, as its help has it. */
export interface Spec<out Config extends Command.Command.Config = Command.Command.Config> {
  readonly name: string
  /** The commands that it is under, by their names; none: it is under `pnet` itself. */
  readonly under?: ReadonlyArray<string>
  readonly alias?: string
  /** One line, for the list of commands. */
  readonly summary: string
  /** Everything, for the command's own help. */
  readonly description: string
  readonly examples: ReadonlyArray<Command.Command.Example>
  /** Flags and arguments, by the names that the handler has them under. */
  readonly config: Config
  /** What it prints with `--json`. */
  readonly prints: ReadonlyArray<ShapeName>
  /**
   * Where flags that are unknown here are a part of what is sent: `--key=value` becomes `--arg key=value`, and behind so many arguments so do those of
   * settings. Arguments stay as they are, also where they look like a value of a flag.
   */
  readonly open?: number
}

/** Declares a command. */
export const make = <const Config extends Command.Command.Config>(spec: Spec<Config>): Spec<Config> => spec

/** What the handler of a command gets. */
export type Input<S> = S extends Spec<infer Config> ? Command.Command.Config.Infer<Config> : never

/** The words of a command: `key network make`. */
export const pathOf = ({ name, under = [] }: Spec): string => [...under, name].join(" ")
