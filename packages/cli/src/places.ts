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

/** What is empty or not absolute does not count, says the specification. */
const counts = (path: string | undefined): path is string => path !== undefined && /^([/\\]|[a-z]:)/i.test(path)

const under = (machine: User, variable: string, windows: string, otherwise: string): string => {
  const { env, home } = machine
  const given = env[variable]
  if (counts(given)) return `${given}/pnet`
  const ofWindows = machine.windows ? env[windows] : undefined
  return counts(ofWindows) ? `${ofWindows}/pnet` : `${home}/${otherwise}/pnet`
}

/**
 * The home of the user, asked for in several ways, each of which may throw: the first that counts. Where none does it is what is no folder, and nothing can be
 * kept below it.
 */
export const homeOf = (ways: ReadonlyArray<() => string>, noFolder: string): string => {
  for (const way of ways) {
    try {
      const home = way()
      if (counts(home)) return home
    } catch {
      // A user that the system has no entry of has no home there.
    }
  }
  return noFolder
}

/** Where the user's files are. */
export const placesOf = (machine: User): Places => ({
  config: under(machine, "XDG_CONFIG_HOME", "APPDATA", ".config"),
  data: under(machine, "XDG_DATA_HOME", "LOCALAPPDATA", ".local/share"),
  state: under(machine, "XDG_STATE_HOME", "LOCALAPPDATA", ".local/state")
})
