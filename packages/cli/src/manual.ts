/**
 * The manual, `docs/cli.md`, made from the declarations: commands, settings, exit codes, and what is printed as JSON.
 */
import { type JsonObject, listOf, objectOf, own, textIn } from "@pnet/console/JsonSchema"
import { typeOf } from "@pnet/console/Signature"
import * as CliOutput from "effect/cli/CliOutput"
import * as Command from "effect/cli/Command"
import type { ArgDoc, FlagDoc, HelpDoc } from "effect/cli/HelpDoc"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { exits } from "./exit.ts"
import { shapes } from "./output/shapes.ts"
import type { Setting } from "./settings/declare.ts"
import { settingNames, settings } from "./settings/declared.ts"
import { pathOf } from "./spec.ts"
import { specs, tree } from "./tree.ts"
import { version } from "./version.ts"

/** Every command by its words, as they stand in the help. */
const paths = (
  command: Command.Command.Any,
  path: ReadonlyArray<string> = []
): ReadonlyArray<ReadonlyArray<string>> => [
  path,
  ...command.subcommands.flatMap(({ commands }) =>
    commands.filter(({ unlisted }) => !unlisted).flatMap((one) => paths(one, [...path, one.name]))
  )
]

/** The paths of all commands that there is help for. */
export const commandPaths: ReadonlyArray<ReadonlyArray<string>> = paths(tree)

/** The help of a command, as it is before it is written. */
export const helpOf = (path: ReadonlyArray<string>) =>
  Effect.gen(function*() {
    let found: HelpDoc | undefined
    yield* Effect.ignore(Command.runWith(tree, { version })([...path, "--help"])).pipe(
      Effect.provideService(CliOutput.Presenter, {
        present: (event) =>
          Effect.sync(() => {
            if (event._tag === "Help") found = event.helpDoc
          })
      })
    )
    return found ?? (yield* Effect.die(new Error(`there is no help for ${path.join(" ")}`)))
  })

const cell = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").trim()

const tableOf = (titles: ReadonlyArray<string>, rows: ReadonlyArray<ReadonlyArray<string>>): string =>
  [titles, titles.map(() => "---"), ...rows.map((row) => row.map(cell))].map((row) => `| ${row.join(" | ")} |`).join(
    "\n"
  )

const described = (description: Option.Option<string>): string => Option.getOrElse(description, () => "")

const argumentRow = (arg: ArgDoc): ReadonlyArray<string> => [
  `\`${arg.name}${arg.variadic ? "..." : ""}\``,
  `${described(arg.description)}${arg.required ? "" : " (optional)"}`
]

const flagRow = (flag: FlagDoc): ReadonlyArray<string> => [
  [`--${flag.name}`, ...flag.aliases].map((name) => `\`${name}\``).join(", ") +
  (flag.type === "boolean" ? "" : ` ${flag.type}`),
  described(flag.description)
]

const commandSection = (path: ReadonlyArray<string>, help: HelpDoc): string => {
  const spec = specs.find((spec) => pathOf(spec) === path.join(" "))
  const { args = [], examples = [], flags } = help
  return [
    `### pnet ${path.join(" ")}`,
    help.description,
    `\`\`\`text\n${help.usage}\n\`\`\``,
    ...(args.length === 0 ? [] : [tableOf(["argument", "what it is"], args.map(argumentRow))]),
    ...(flags.length === 0 ? [] : [tableOf(["flag", "what it does"], flags.map(flagRow))]),
    ...(examples.length === 0
      ? []
      : [
        `\`\`\`sh\n${examples.map(({ command, description }) => `# ${description}\n${command}`).join("\n\n")}\n\`\`\``
      ]),
    ...(spec === undefined || spec.prints.length === 0
      ? []
      : [`With \`--json\` it prints ${spec.prints.map((name) => `[\`${name}\`](#json-${name})`).join(", ")}.`])
  ].join("\n\n")
}

const settingRow = (name: keyof typeof settings): ReadonlyArray<string> => {
  const { env, file, flag, help, metavar, otherwise }: Setting<any> = settings[name]
  return [
    file === false ? "" : `\`${name}\``,
    `\`--${flag}\`${metavar === undefined ? "" : ` ${metavar}`}`,
    env === undefined ? "" : `\`${env}\``,
    help,
    otherwise ?? ""
  ]
}

/** The fields of a shape, those of what is in it with their paths. */
const fieldRows = (root: JsonObject, schema: JsonObject, prefix: string): ReadonlyArray<ReadonlyArray<string>> => {
  const required = new Set(listOf(own(schema, "required")))
  return Object.entries(objectOf(own(schema, "properties")) ?? {}).flatMap(([name, given]) => {
    const field = objectOf(given)!
    const inner = objectOf(own(field, "items")) ?? field
    const more = objectOf(own(inner, "properties")) === undefined ? [] : fieldRows(root, inner, `${prefix}${name}.`)
    const type = more.length === 0 ? typeOf(root, field) : own(field, "type") === "array" ? "list of objects" : "object"
    return [
      [`\`${prefix}${name}\`${required.has(name) ? "" : " (optional)"}`, type, textIn(field, "description") ?? ""],
      ...more
    ]
  })
}

const shapeSection = (name: keyof typeof shapes): string => {
  const { definitions, schema } = Schema.toJsonSchemaDocument(shapes[name])
  const root: JsonObject = { ...(schema as JsonObject), $defs: definitions }
  return [
    `<a id="json-${name}"></a>`,
    "",
    `### ${name}`,
    "",
    textIn(root, "description") ?? "",
    "",
    tableOf(["field", "type", "what it is"], fieldRows(root, root, ""))
  ].join("\n")
}

const beginning = `# The pnet command

\`pnet\` reaches the machine next door from a terminal: who is there, what they serve, calling it, and serving commands of this machine. Everything is encrypted from
end to end, and there is no server. This page is made from the command itself; \`pnet COMMAND --help\` says the same of each command.

## First steps

\`\`\`sh
# In one terminal: a node that serves a command of the shell. What a caller sends is its arguments and its standard input, and never a part of its text.
pnet up --name bob --fn 'add(a: int, b: int)=echo $(($1 + $2))' --open

# In another, here or on the machine next door.
pnet peers
pnet functions bob
pnet call bob add 1 2
\`\`\`

\`--open\` says that everybody on the network may call it. A network with a key, a list of peers or an authority is the better answer: without any of them \`up\` does not serve
commands. In the workspace of this repository \`npx -y pnpm@12 pnet\` stands for \`pnet\`.

## Who this node is

Each node has a key, in a file of the folder \`keys\`, made at its first use: that is who it is to its peers. While a command runs its key is held, and no other process runs with
it. So a second command, such as \`pnet call\` beside \`pnet up\`, takes the next name that is free, \`NAME-2\`, with a key of its own, and says that it leaves when it is done. Where the name
was given by \`--name\` the command fails instead, and says which process has it.

A name is whose key came first: peers that met another node of that name refuse the next. Where two machines have the same name, give one of them another, with \`--name\` or in
the config file. Until this node has met one of them, or it was said by \`pnet trust resolve\` whose the name is, commands send neither anything and end with code 8: for that they wait a moment longer where a
name is new to them. On a machine without a network a node reaches this machine alone, and says so.

## Whom it trusts

Without anything else a peer's key is remembered when it is met, in the file \`knownPeers\`, and another key under its name is refused. An \`allowList\` has the only peers that
are trusted, an \`authority\` signs who is. A network's key keeps everybody else out and names and addresses unseen: it comes from a file, a command or standard input, and without these from
the file that \`pnet key network\` keeps for the network. Text of peers is made harmless before it is shown on a terminal.

## Arguments

\`pnet call\` sends an argument that is JSON as it is, and any other as text; where the function says that it takes text, a number is sent as text, too. \`-\` is standard input. Flags that the
command does not have are keyword arguments, \`--key=value\`, and behind the function's name so are those of settings, but for \`--json\` and \`--wait\`: \`pnet call --name ann bob greet --name eve\`
says a name to bob's function, by a node that is called ann. \`--arg key=value\` is a keyword argument in any case. \`--key value\` is one where the function says
that it takes such a value under that name, and \`--key\` alone says yes to one that is true or false; of a function that does not say what it takes, write \`--key=value\`. Where the
function has an argument with a place that is called so, that is what it is. Behind \`--\` everything is an argument. What the peer's function does not take is
said before anything is sent, with the place that is wrong; \`--no-check\` sends it all the same.

## Topics, and bytes

What \`pnet publish\` says goes to whoever subscribes, so it wants a network key, a list, an authority or \`--open\`, as \`up --fn\` does. It waits for one subscriber, and ends when
everything has come to all of them; last values that it is to retain it holds until Ctrl-C. \`pnet subscribe\` says how many it missed with what comes next. \`pnet pipe\` is for bytes
of any size through a function: the slowest of the three, who writes, the function, and who reads, sets the pace.

## What a NATS server keeps

With \`--nats\` a server with JetStream keeps letters for peers that are not there, \`pnet mail\` ([mail](mail.md)), and what is published with \`pnet publish --keep\`, for \`pnet subscribe --from\` and
\`--position\` ([durable topics](durable-topics.md)). A letter is for the key of a name, and so is a position: read them with the \`--name\` that they are for, while no other node of it runs here.

## Times

On a terminal moments are those of its clock, in the time zone of the machine or of \`TZ\`, and have their date where it is not today's, and where a day begins. In a file or a pipe, which are read later
and elsewhere, they are in full and in UTC: \`2026-05-01T08:00:00Z\`. With \`--json\` they are that to the millisecond.

## Completions

The shell completes commands, flags, and the names of peers and functions that commands have met of late, which they keep in the folder for what may be thrown away
(\`$XDG_STATE_HOME\`, or \`~/.local/state\`):

\`\`\`sh
pnet --completions bash > ~/.local/share/bash-completion/completions/pnet
pnet --completions zsh > ~/.zsh/completions/_pnet      # in a folder of your fpath
pnet --completions fish > ~/.config/fish/completions/pnet.fish
\`\`\`

## Functions in TypeScript

\`pnet up --module ./functions.ts\` serves what a module exports. Nothing has to be installed for it: \`effect\`, \`effect/rpc\` and \`@pnet/core\` are those of the command, and Node
takes the types off.

\`\`\`ts
import { Command, CommandNode } from "@pnet/core"
import { Effect, Layer, Schema, Stream } from "effect"
import { Rpc, RpcGroup } from "effect/rpc"

// A function, by the name of the export. Whoever calls is \`call.from\`.
export const add = (_call: Command.Call, a: number, b: number) => a + b

// A command: its Schemas are what \`pnet functions\` shows, and what a call is checked against.
export const Greet = Command.make("greet", {
  description: "Says hello",
  args: [Schema.String],
  success: Schema.String
})
export const greet = Command.implement(Greet, ({ from }, name) => Effect.succeed(\`hello \${name}, from \${from.name}\`))

// A typed group with its handlers, and whatever else is a layer that needs the node.
export class Counter extends RpcGroup.make(
  Rpc.make("count", { payload: { to: Schema.Int }, success: Schema.Int, stream: true })
) {}
export const counter = CommandNode.serve(Counter).pipe(
  Layer.provide(Counter.toLayer({ count: ({ to }) => Stream.range(1, to) }))
)
\`\`\`

Contracts, such as \`Greet\` and \`Counter\`, may be exported for whoever else imports the module. Any other export is a mistake, which is said before the node starts.

Of each call of a function, a command or a group it is said who called what, how it ended (\`ok\`, \`failed\`, \`given up\`) and how long it took.
`

const settingsIntro = `## Settings

A setting is taken from its flag, or else its variable, or else the profile of the config file, or else the file, or else it has its default. \`pnet config\` shows what holds
and where it comes from. The config file is JSON, \`pnet/config.json\` in the folder for configuration (\`$XDG_CONFIG_HOME\`, or \`~/.config\`); keys and known peers are in that for data
(\`$XDG_DATA_HOME\`, or \`~/.local/share\`). A variable that is empty or no absolute path counts as not set, \`HOME\` too: then the home is the one that the system has for the user.

\`\`\`json
{ "name": "desk", "network": "home", "profiles": { "work": { "network": "office", "allowList": "/home/ann/office-peers" } } }
\`\`\`
`

/** The manual. */
export const manual = Effect.gen(function*() {
  const sections: Array<string> = []
  for (const path of commandPaths.filter((path) => path.length > 0)) {
    sections.push(commandSection(path, yield* helpOf(path)))
  }
  const codes = Object.entries(exits).map(([name, { code, meaning }]) => [String(code), `\`${name}\``, meaning])
  return [
    beginning.trim(),
    "## Commands",
    ...sections,
    settingsIntro.trim(),
    tableOf(["in the file", "flag", "variable", "what it is", "default"], settingNames.map(settingRow)),
    "## Exit codes",
    tableOf(["code", "name", "what it means"], codes),
    "## JSON",
    "With `--json` each line of standard output is one JSON value, and everything else goes to standard error. Its `type` says which of these shapes it has. Fields may be added; none goes " +
    "or changes what it means. Moments are ISO 8601 in UTC, and spans of time are milliseconds.",
    ...(Object.keys(shapes) as ReadonlyArray<keyof typeof shapes>).map(shapeSection)
  ].join("\n\n") + "\n"
})
