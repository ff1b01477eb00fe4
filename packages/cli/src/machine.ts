/**
 * What the command knows of the machine and the user it runs for, and where their files are.
 */
import * as Context from "effect/Context"

/** The machine, and who runs the command. */
export class Machine extends Context.Service<Machine, {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly hostname: string
  /** The user's name, where the system has one. */
  readonly user: string | undefined
  readonly home: string
  readonly pid: number
  readonly windows: boolean
}>()("@pnet/cli/Machine") {}

/** Folders of the user, as the XDG directories have them (on Windows, as `APPDATA` and `LOCALAPPDATA`). */
export interface Places {
  /** The config file. */
  readonly config: string
  /** Keys, known peers. */
  readonly data: string
  /** What runs now, and what may be thrown away. */
  readonly state: string
}

const under = (machine: Machine["Service"], variable: string, windows: string, otherwise: string): string => {
  const { env, home } = machine
  const given = env[variable]
  // What is not absolute does not count, says the specification.
  if (given !== undefined && /^([/\\]|[a-z]:)/i.test(given)) return `${given}/pnet`
  const ofWindows = machine.windows ? env[windows] : undefined
  return ofWindows === undefined ? `${home}/${otherwise}/pnet` : `${ofWindows}/pnet`
}

/** Where the user's files are. */
export const placesOf = (machine: Machine["Service"]): Places => ({
  config: under(machine, "XDG_CONFIG_HOME", "APPDATA", ".config"),
  data: under(machine, "XDG_DATA_HOME", "LOCALAPPDATA", ".local/share"),
  state: under(machine, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
})
