/**
 * Where the user's files are. It needs nothing else, since it is also asked while somebody types.
 */

/** What it depends on. */
export interface User {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly windows: boolean
}

/** Folders of the user, as the XDG directories have them (on Windows, as `APPDATA` and `LOCALAPPDATA`). */
export interface Places {
  /** The config file. */
  readonly config: string
  /** Keys, known peers. */
  readonly data: string
  /** What runs now, and what may be thrown away. */
  readonly state: string
}

const under = (machine: User, variable: string, windows: string, otherwise: string): string => {
  const { env, home } = machine
  const given = env[variable]
  // What is not absolute does not count, says the specification.
  if (given !== undefined && /^([/\\]|[a-z]:)/i.test(given)) return `${given}/pnet`
  const ofWindows = machine.windows ? env[windows] : undefined
  return ofWindows === undefined ? `${home}/${otherwise}/pnet` : `${ofWindows}/pnet`
}

/** Where the user's files are. */
export const placesOf = (machine: User): Places => ({
  config: under(machine, "XDG_CONFIG_HOME", "APPDATA", ".config"),
  data: under(machine, "XDG_DATA_HOME", "LOCALAPPDATA", ".local/share"),
  state: under(machine, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
})
