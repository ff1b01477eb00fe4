/**
 * The real command in a process of its own, in pipes or in a terminal. A start costs a third of a second of processor time, so several checks go into one.
 *
 * A terminal is made by `script`, which every Debian and macOS has; its width by `stty`. Where there is no `script`, python3 makes one; where there is neither
 * `terminals` is false, and tests of terminals are left out.
 */
import { file } from "@pnet/lab/processes/programs"
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process"
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"

/** The command as one file with what it loads at once, beside the manifest that it reads its version from. */
const main = file(new URL("../../src/main.ts", import.meta.url), ["./whole.ts"])
copyFileSync(
  fileURLToPath(new URL("../../package.json", import.meta.url)),
  join(dirname(dirname(main)), "package.json")
)

/** Makes the page of the console where the command looks for it; where it is as new as its sources it is left as it is. */
export const makePage = (): void => {
  const make = fileURLToPath(new URL("../../../console/buildPage.ts", import.meta.url))
  execFileSync(process.execPath, [make, join(dirname(dirname(main)), "dist/page")], { stdio: "ignore" })
}

const has = (command: string, ...args: ReadonlyArray<string>): boolean =>
  spawnSync(command, args, { stdio: "ignore" }).status === 0

const maker = process.platform === "linux" && has("script", "--version")
  ? "script"
  : has("python3", "-c", "import pty")
  ? "python3"
  : undefined

/** Whether terminals can be made here. */
export const terminals = maker !== undefined

/** A command that ended. */
export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process with the command. */
export interface Process {
  readonly child: ChildProcess
  readonly stdout: () => string
  readonly stderr: () => string
  /** Types, or writes to its standard input. `\u0003` is Ctrl-C in a terminal. */
  readonly type: (text: string | Uint8Array) => void
  /** Ends its standard input. */
  readonly eof: () => void
  /** Resolves when it has printed that, rejects when it ends without. */
  readonly says: (text: string | RegExp) => Promise<void>
  readonly ended: Promise<Ended>
}

/** How it is started. */
export interface How {
  readonly env?: Record<string, string | undefined>
  /** In a terminal of so many columns. There both outputs are one, `stdout`. */
  readonly columns?: number
  readonly cwd?: string
  /** A file that its output goes to. */
  readonly stdout?: string
}

/** A home of its own: a folder for keys and settings, a network, a port of this machine's loopback. */
export interface Home {
  readonly folder: string
  readonly env: Record<string, string>
  readonly start: (words: ReadonlyArray<string>, how?: How) => Process
  readonly run: (words: ReadonlyArray<string>, how?: How & { readonly stdin?: string }) => Promise<Ended>
  /** A shell in a terminal, in which `pnet` is the command. There have to be `terminals`. */
  readonly shell: (how?: How) => Process
  /** Ends what still runs, and takes the folder away. */
  readonly close: () => void
}

const quoted = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`

const inTerminal = (words: ReadonlyArray<string>, columns: number): readonly [string, ReadonlyArray<string>] => {
  const line = `stty cols ${columns} rows 24; exec ${words.map(quoted).join(" ")}`
  return maker === "script"
    ? ["script", ["-qfec", line, "/dev/null"]]
    : ["python3", [
      "-c",
      "import pty,sys,os; sys.exit(os.waitstatus_to_exitcode(pty.spawn(['sh','-c',sys.argv[1]])))",
      line
    ]]
}

/** Makes a home. `port` has to be one that no other test uses at the time. */
export const home = (port: number): Home => {
  const folder = mkdtempSync(join(tmpdir(), "pnet-cli-"))
  const children = new Set<ChildProcess>()
  const env = {
    PATH: process.env.PATH ?? "",
    NODE_COMPILE_CACHE: process.env.NODE_COMPILE_CACHE ?? "",
    HOME: folder,
    XDG_CONFIG_HOME: join(folder, "config"),
    XDG_DATA_HOME: join(folder, "data"),
    XDG_STATE_HOME: join(folder, "state"),
    TERM: "xterm-256color",
    LANG: "C.UTF-8",
    PNET_NETWORK_ID: `cli-${process.pid}-${port}`,
    PNET_BIND_IP: "127.0.0.1",
    PNET_ADVERTISE_PORT: String(port)
  }
  const start = (words: ReadonlyArray<string>, how: How = {}): Process =>
    spawned(
      [
        ...(how.stdout === undefined ? [] : ["sh", "-c", "exec \"$@\" >\"$0\"", how.stdout]),
        process.execPath,
        main,
        ...words
      ],
      words,
      how
    )
  const spawned = (command: ReadonlyArray<string>, words: ReadonlyArray<string>, how: How): Process => {
    const [program, args] = how.columns === undefined
      ? [command[0]!, command.slice(1)]
      : inTerminal(command, how.columns)
    const child = spawn(program, args, { env: { ...env, ...how.env }, cwd: how.cwd ?? folder, stdio: "pipe" })
    children.add(child)
    const written = { stdout: "", stderr: "" }
    const waiting = new Set<() => void>()
    for (const to of ["stdout", "stderr"] as const) {
      child[to].setEncoding("utf8").on("data", (text: string) => {
        written[to] += text
        for (const look of waiting) look()
      })
    }
    child.stdin.on("error", () => {})
    const ended = new Promise<Ended>((resolve) => {
      child.on("close", (code) => {
        children.delete(child)
        resolve({ code, ...written })
        for (const look of waiting) look()
      })
    })
    return {
      child,
      stdout: () => written.stdout,
      stderr: () => written.stderr,
      type: (text) => void child.stdin.write(text),
      eof: () => void child.stdin.end(),
      says: (text) =>
        new Promise((resolve, reject) => {
          const look = () => {
            const all = written.stdout + written.stderr
            const said = typeof text === "string" ? all.includes(text) : text.test(all)
            if (!said && child.exitCode === null && child.signalCode === null) return
            waiting.delete(look)
            if (said) resolve()
            else reject(new Error(`pnet ${words.join(" ")} ended without saying ${text}: ${JSON.stringify(written)}`))
          }
          waiting.add(look)
          look()
        }),
      ended
    }
  }
  return {
    folder,
    env,
    start,
    shell: (how = {}) => {
      const profile = join(folder, "profile")
      writeFileSync(profile, `pnet() { ${quoted(process.execPath)} ${quoted(main)} "$@"; }\nPS1='$ '\n`)
      return spawned(["sh", "-i"], ["(a shell)"], { columns: 80, ...how, env: { ENV: profile, ...how.env } })
    },
    run: (words, how = {}) => {
      const started = start(words, how)
      if (how.columns === undefined) started.child.stdin?.end(how.stdin ?? "")
      return started.ended
    },
    close: () => {
      for (const child of children) child.kill("SIGKILL")
      rmSync(folder, { recursive: true, force: true })
    }
  }
}
