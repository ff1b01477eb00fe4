/** The command: who is served, what a shell reads, whose files are taken, what a terminal acts on, what an assistant may call. */
import type { Mutation } from "../mutation.ts"
import { of, suites } from "./of.ts"

const file = (path: string): string => `packages/cli/src/${path}`

const open = of(
  "command-open",
  file("node/guarded.ts"),
  suites("cli/commands", "cli/files", "cli/topics", "cli/module"),
  {
    "refusal": [
      `  if (open || allowList !== undefined || authority !== undefined) return
`,
      `  return
`,
      "a command of the shell is served to everybody on the network"
    ]
  }
)

const words = of("command-words", file("arguments.ts"), suites("cli/arguments"), {
  "keys": [
    `return asTheyAre(withKeys(words))`,
    `return asTheyAre(words)`,
    "a public key that begins with a hyphen is taken for flags"
  ],
  "loose": [
    `loose.push({ name: name.slice(2), at: operands.length - after })`,
    `flags.push(\`--arg=\${name.slice(2)}=true\`)`,
    "what stands behind a function's flag is never its value"
  ]
})

const given = of("command-given", file("schema/given.ts"), suites("cli/meant"), {
  "taken": [
    `    if (value) taken.add(at)
`,
    ``,
    "the value of a flag is an argument, too"
  ],
  "switch": [
    `value: value ? word : on`,
    `value: word`,
    "a switch has the argument behind it as its value"
  ]
})

const moments = of("command-moments", file("output/moments.ts"), suites("cli/moments"), {
  "day": [
    `(day === undefined || day === today)`,
    `true`,
    "nothing says where a day begins"
  ],
  "utmost": [
    `DateTime.makeUnsafe(Math.min(Math.max(millis, -utmost), utmost))`,
    `DateTime.makeUnsafe(millis)`,
    "a peer's last moment of all is a defect where it is shown in a zone"
  ]
})

const log = of("command-log", file("log.ts"), suites("cli/output"), {
  "ended": [
    `    if (text === "" && cause.reasons.length > 0 && Cause.hasInterruptsOnly(cause)) return
`,
    ``,
    "what was ended where all ends is in the log"
  ]
})

const up = of("command-up", file("run/up.ts"), suites("cli/commands", "cli/module", "cli/files", "cli/interrupt"), {
  "fn": [
    `  if (functions.length > 0) yield* guarded("--fn would serve everybody on the network")
`,
    ``,
    "--fn does not ask who it is for"
  ],
  "module": [
    `  if (input.module.length > 0) yield* guarded("--module would serve everybody on the network")
`,
    ``,
    "--module does not ask who it is for",
    { tests: ["cli/module"] }
  ],
  "receive": [
    `  if (Option.isSome(input.receive)) yield* guarded("--receive would take files of everybody on the network")
`,
    ``,
    "--receive does not ask whose files it takes",
    { tests: ["cli/files"] }
  ],
  "leaves": [
    `  yield* Effect.addFinalizer(() => say({ event: "stopped", peer: name, fingerprint, text: \`\${name} leaves\` }))
`,
    ``,
    "Ctrl-C does not say that it leaves",
    { tests: ["cli/interrupt"] }
  ]
})

const shell = of("command-shell", file("serve/shell.ts"), suites("cli/shell"), {
  "argv": [
    `ChildProcess.make("sh", ["-c", command, name, ...args], {`,
    `ChildProcess.make("sh", ["-c", [command, ...args].join(" "), name], {`,
    "the shell reads what a caller sends"
  ],
  "secret": [
    `PNET_NETWORK_KEY: undefined,`,
    ``,
    "a command of the shell has the network's key in its environment"
  ],
  "text-reckoned": [
    `  if (reckonsWithText(command, kinds)) {`,
    `  if (false) {`,
    "a shell runs what stands in a text that it reckons with"
  ],
  "numbers": [
    `  int: Schema.Int,`,
    `  int: Schema.Union([Schema.Int, Schema.String]) as never,`,
    "what was declared to be a number is a text"
  ],
  "needed-arguments": [
    `  const streams = functions.filter(needsNone).map((fn) => ({`,
    `  const streams = functions.map((fn) => ({`,
    "a command is run without the arguments that it needs"
  ],
  "endless": [
    `        return length > answerMost
`,
    `        return false
`,
    "a command that prints without end is held whole"
  ],
  "stragglers": [
    `      ended ? Effect.void : Effect.provideService(`,
    `      true ? Effect.void : Effect.provideService(`,
    "what left the group of a command goes on when its caller has given up"
  ],
  "left-behind": [
    `      ended ? Effect.void : Effect.provideService(`,
    `      false ? Effect.void : Effect.provideService(`,
    "what a command has left running is ended with it"
  ]
})

const settings = of("command-settings", file("settings/Settings.ts"), suites("cli/networkKeys", "cli/settings"), {
  "writable": [
    `  if ((info.mode & 0o002) !== 0) {`,
    `  if (false) {`,
    "a file that anybody may write names commands that are run"
  ],
  "owner": [
    `  if (uid !== undefined && owner !== undefined && owner !== uid && owner !== 0) {`,
    `  if (false) {`,
    "another user's file names commands that are run"
  ],
  "nearest": [
    `  if (variable !== undefined) return { text: variable`,
    `  if (variable !== undefined && file === undefined) return { text: variable`,
    "the file holds against the environment",
    { tests: ["cli/settings"] }
  ],
  "secret": [
    `declared.secret === true ? "" : `,
    `declared.secret === undefined ? "" : `,
    "a key that is wrong is repeated where others see it",
    { tests: ["cli/networkKeys", "cli/commands"] }
  ]
})

const keys = of("command-keys", file("node/networkKeys.ts"), suites("cli/networkKeys"), {
  "mode": [
    `  if (!machine.windows && (info.mode & 0o077) !== 0) {`,
    `  if (false) {`,
    "others may read the file with the network's key"
  ],
  "one-place": [
    `  if (nearest.length > 1) {`,
    `  if (false) {`,
    "of two keys one is taken, and nobody knows which"
  ]
})

const keyFile = of("command-key-file", file("node/keyFile.ts"), suites("cli/keys"), {
  "mode": [
    `    const made = yield* fs.open(temporary, { flag: "wx", mode: 0o600 })`,
    `    const made = yield* fs.open(temporary, { flag: "wx", mode: 0o644 })`,
    "the file with the network's key is made for everybody to read"
  ],
  "lock": [
    `fs.open(lock, { flag: "wx", mode: 0o600 })`,
    `fs.open(lock, { flag: "w", mode: 0o600 })`,
    "two commands undo each other's keys"
  ],
  "given-back": [
    `    yield* Effect.acquireRelease(taken, () => Effect.ignore(fs.remove(lock, { force: true })))`,
    `    yield* taken`,
    "a change of keys keeps all others from changing them"
  ]
})

const harmless = of("command-harmless", file("output/harmless.ts"), suites("cli/output", "cli/commands", "cli/mcp"), {
  "escape": [
    `\`\\\\u\${character.codePointAt(0)!.toString(16).padStart(4, "0")}\``,
    `character`,
    "a peer's text acts on the terminal"
  ],
  "joiners": [
    `    ? joins.test(before) && joined.test(after)`,
    `    ? true`,
    "two names look like one"
  ],
  "joiners-scripts": [
    `p{Script=Cyrillic}`,
    `p{Script=Inherited}`,
    "two names in a script without joiners look like one"
  ],
  "selectors": [
    `selectors.has(character) && (pictured.test(before)`,
    `selectors.has(character) && (true`,
    "two names look like one"
  ],
  "hidden": [`\\p{Default_Ignorable_Code_Point}`, ``, "two names look like one"],
  "blanks": [`|(?![ \\u3000])\\p{Zs}`, ``, "two names look like one"],
  "marks": [`|(?<=\\p{M}{8})\\p{M}`, ``, "a peer's text covers the lines around it"],
  "ends": [`harmless(text).replace(/^ | $/g, codes)`, `harmless(text)`, "two names look like one"],
  "names": [
    `.map(([name, one]) => [make(name), harmlessValue(one, make)])`,
    `.map(([name, one]) => [name, harmlessValue(one, make)])`,
    "the name of a field acts on the terminal"
  ]
})

const output = of("command-output", file("output/Output.ts"), suites("cli/commands", "cli/output", "cli/pipe"), {
  "values": [
    `        const safe = harmlessValue(values, view.lines === true && single ? harmlessLines : harmlessWhole)`,
    `        const safe = values`,
    "what peers said is printed as it is"
  ],
  "bytes": [
    `            ? harmlessLines(typeof bytes === "string" ? bytes : decoder.decode(bytes, { stream: true }))`,
    `            ? bytes`,
    "bytes of a peer act on the terminal"
  ]
})

const places = of("command-places", file("places.ts"), suites("cli/places"), {
  "empty": [
    `path !== undefined && /^([/\\\\]|[a-z]:)/i.test(path)`,
    `path !== undefined`,
    "keys are kept at the root of the disk"
  ],
  "none": [`  return noFolder`, `  return ""`, "keys are kept at the root of the disk"]
})

const quoted = of("command-quoted", file("output/quoted.ts"), suites("cli/output"), {
  "apostrophe": [
    `.replaceAll("'", "'\\\\''")`,
    ``,
    "a command that people are told to run does what a peer's name says"
  ]
})

const patterns = of("command-mcp-allow", file("mcp/patterns.ts"), suites("cli/mcp"), {
  "peer": [
    `text.lastIndexOf("@")`,
    `text.indexOf("@")`,
    "a function with an @ in its name is another peer's"
  ],
  "end": [
    `    return at <= text.length - last.length`,
    `    return true`,
    "a pattern allows what does not end as it says"
  ]
})

const inputs = of("command-mcp-input", file("mcp/input.ts"), suites("cli/mcp"), {
  "values": [
    `  value(value: unknown, depth: number): unknown {
    if (++this.#steps > mostSteps || depth > deepest) throw new Unfit()`,
    `  value(value: unknown, depth: number): unknown {`,
    "an assistant is shown any number of values of a peer"
  ],
  "characters": [
    `this.#characters > mostCharacters || harmless`,
    `harmless`,
    "an assistant is shown names and values of a peer without end"
  ],
  "texts": [
    `if (this.#characters > mostCharacters) throw new Unfit()`,
    ``,
    "an assistant is shown texts of a peer without end"
  ],
  "long": [`said(value, longestText)`, `said(value, 1e9)`, "a text of a peer that an assistant is shown has no bound"],
  "harmless": [` || harmless(text) !== text) throw`, `) throw`, "a name hides what it is"],
  "steps": [
    `part: string, depth = 0): unknown {
    if (++this.#steps > mostSteps || depth > deepest) throw new Unfit()`,
    `part: string, depth = 0): unknown {`,
    "a schema of a peer has no end"
  ]
})

const tools = of("command-mcp", file("mcp/tools.ts"), suites("cli/mcp"), {
  "listed": [
    `      const wanted = all.filter(({ name }) => allow(peer, name)).slice(0, mostOfPeer)`,
    `      const wanted = all.slice(0, mostOfPeer)`,
    "an assistant calls what was not allowed"
  ],
  "generic": [
    `      if (!allow(peer, name)) {`,
    `      if (false) {`,
    "the one tool that calls takes what was not allowed"
  ],
  "most": [
    `.filter(({ name }) => allow(peer, name)).slice(0, mostOfPeer)`,
    `.filter(({ name }) => allow(peer, name))`,
    "a peer has as many tools as it likes"
  ],
  "gone": [
    `          live.has(tool)
`,
    `          true
`,
    "the tool of a peer that is gone is called"
  ]
})

const seen = of("command-seen", file("complete/seen.ts"), suites("cli/complete"), {
  "plain": [
    `const plain = /^[\\p{L}\\p{N}_][\\p{L}\\p{N}_.@+-]{0,63}$/u`,
    `const plain = /^[^]{1,64}$/u`,
    "a shell reads something into a name that is completed"
  ]
})

const receive = of("command-receive", file("run/receive.ts"), suites("cli/files"), {
  "yes": [
    `  if (yes) yield* guarded("--yes would take files of everybody on the network")
`,
    ``,
    "receive --yes does not ask whose files it takes"
  ],
  "typed-before": [
    `      if (isTyped && !asked) return Effect.void
`,
    ``,
    "what was typed before takes an offer that nobody has seen"
  ],
  "unasked": [
    `    Effect.andThen(Effect.forever(Queue.offer(lines, false))),`,
    `    Effect.andThen(Effect.forever(Queue.offer(lines, true))),`,
    "an offer that nobody can be asked about is taken"
  ],
  "first-sight": [
    `  if (from.length > 0) yield* warnOfNames(from)
`,
    ``,
    "who is taken for a name that was never met is not said"
  ]
})

export const commandList: ReadonlyArray<Mutation> = [
  ...inputs,
  ...words,
  ...given,
  ...moments,
  ...log,
  ...open,
  ...up,
  ...shell,
  ...settings,
  ...keys,
  ...keyFile,
  ...harmless,
  ...output,
  ...places,
  ...quoted,
  ...patterns,
  ...tools,
  ...seen,
  ...receive
]
