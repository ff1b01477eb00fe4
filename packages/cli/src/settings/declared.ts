/**
 * Every setting of the command, one declaration each. Flags, variables, the config file, `pnet config`, the help and `docs/cli.md` all come from here.
 */
import * as Duration from "effect/Duration"
import { type Defaulted, KnownPort, List, Port, type Setting, setting, Span, Text, toggle } from "./declare.ts"

/** The settings, by their names in the config file. */
export const settings = {
  profile: setting({
    flag: "profile",
    alias: "p",
    env: "PNET_PROFILE",
    metavar: "NAME",
    help: "The profile of the config file whose settings hold",
    schema: Text
  }),
  config: setting({
    flag: "config",
    env: "PNET_CONFIG",
    file: false,
    metavar: "FILE",
    help: "The config file",
    schema: Text,
    fallback: ({ places }) => `${places.config}/config.json`,
    otherwise: "pnet/config.json in the folder for configuration"
  }),
  name: setting({
    flag: "name",
    alias: "n",
    env: "PNET_NAME",
    metavar: "NAME",
    help: "The name of this node",
    schema: Text,
    // Several users of a machine are several nodes.
    fallback: ({ machine: { hostname, user } }) =>
      [user, hostname.split(".")[0]].filter((part) => part !== undefined && part !== "").join("-")
        .replace(/[^A-Za-z0-9._-]/g, "-").slice(0, 60) || "pnet",
    otherwise: "USER-MACHINE"
  }),
  network: setting({
    flag: "network",
    env: "PNET_NETWORK_ID",
    metavar: "ID",
    help: "The network: only nodes of one network see each other",
    give: "give a short name, the same on all machines of the network",
    schema: Text,
    fallback: () => "pnet",
    otherwise: "pnet"
  }),
  networkKeyFile: setting({
    flag: "network-key-file",
    env: "PNET_NETWORK_KEY_FILE",
    metavar: "FILE",
    help: "The file with the network's keys, one a line: the first encrypts",
    schema: Text
  }),
  networkKeyStdin: toggle({
    flag: "network-key-stdin",
    file: false,
    help: "Reads the network's keys from standard input"
  }),
  networkKeyCommand: setting({
    flag: "network-key-command",
    env: "PNET_NETWORK_KEY_COMMAND",
    metavar: "COMMAND",
    help: "A command that prints the network's keys, such as one that asks a keychain",
    schema: Text
  }),
  networkKey: setting({
    flag: "network-key",
    env: "PNET_NETWORK_KEY",
    file: false,
    metavar: "KEY",
    help: "The network's keys themselves, with commas; others can see them there: prefer a file, stdin or a command",
    schema: Text,
    secret: true
  }),
  bind: setting({
    flag: "bind",
    env: "PNET_BIND_IP",
    metavar: "ADDRESS",
    help: "Where to listen and to look: 0.0.0.0 is every network, 127.0.0.1 this machine alone",
    give:
      "give 0.0.0.0 for every network, 127.0.0.1 for this machine alone, or the address of one of this machine's interfaces",
    schema: Text,
    fallback: () => "0.0.0.0",
    otherwise: "0.0.0.0"
  }),
  port: setting({
    flag: "port",
    env: "PNET_SERVER_PORT",
    metavar: "PORT",
    help: "The TCP port to listen on",
    give: "give one that is free on this machine, such as 4000, or 0 for any",
    schema: Port,
    fallback: () => 0,
    otherwise: "any free one"
  }),
  advertisePort: setting({
    flag: "advertise-port",
    env: "PNET_ADVERTISE_PORT",
    metavar: "PORT",
    help: "The UDP port by which nodes find each other, the same on the whole network",
    give: "give a port of UDP that is the same on the whole network, such as 3334",
    schema: KnownPort,
    fallback: () => 3334,
    otherwise: "3334"
  }),
  peers: setting({
    flag: "peers",
    env: "PNET_PEERS",
    metavar: "HOST:PORT,…",
    help: "Addresses to look for nodes at, besides those that are heard",
    give: "give addresses or names of hosts, each with a port, such as 192.168.1.7:4000,[fd00::7]:4000,bob.local:4000",
    schema: List,
    fallback: () => [],
    otherwise: "none"
  }),
  nats: setting({
    flag: "nats",
    env: "PNET_NATS_SERVERS",
    metavar: "SERVER,…",
    help: "NATS servers, by which nodes beyond the LAN are reached",
    schema: List,
    fallback: () => [],
    otherwise: "none"
  }),
  natsCreds: setting({
    flag: "nats-creds",
    env: "PNET_NATS_CREDS_FILE",
    metavar: "FILE",
    help: "The credentials file for the NATS servers",
    schema: Text
  }),
  keys: setting({
    flag: "keys",
    env: "PNET_IDENTITY_FOLDER",
    metavar: "FOLDER",
    help: "The folder with the keys of this user's nodes, a file for each name",
    schema: Text,
    fallback: ({ places }) => `${places.data}/keys`,
    otherwise: "pnet/keys in the folder for data"
  }),
  knownPeers: setting({
    flag: "known-peers",
    env: "PNET_KNOWN_PEERS",
    metavar: "FILE",
    help: "The file with the peers that were met: whose key changes is refused",
    schema: Text,
    fallback: ({ places }) => `${places.data}/known-peers`,
    otherwise: "pnet/known-peers in the folder for data"
  }),
  allowList: setting({
    flag: "allow-list",
    env: "PNET_ALLOW_LIST",
    metavar: "FILE",
    help: "The file with the only peers that are trusted",
    schema: Text
  }),
  authority: setting({
    flag: "authority",
    env: "PNET_AUTHORITY",
    metavar: "KEY|FILE",
    help: "The public key of the authority whose certificates are trusted",
    schema: Text
  }),
  certificate: setting({
    flag: "certificate",
    env: "PNET_CERTIFICATE",
    metavar: "FILE",
    help: "The file with this node's certificate by the authority",
    schema: Text
  }),
  open: toggle({
    flag: "open",
    env: "PNET_OPEN",
    help:
      "Grants everything to whoever is on the network and not refused: roles, topics, and what up serves. On a network with a key it is so by itself"
  }),
  wait: setting({
    flag: "wait",
    alias: "w",
    env: "PNET_WAIT",
    metavar: "TIME",
    help: "How long to wait for a peer to be found",
    schema: Span,
    fallback: () => Duration.seconds(5),
    otherwise: "5s"
  }),
  json: toggle({
    flag: "json",
    env: "PNET_JSON",
    help: "Prints JSON, one value a line; everything else goes to standard error"
  })
} as const satisfies Record<string, Setting<any>>

/** The name of a setting, as the config file has it. */
export type SettingName = keyof typeof settings

/** The values that hold: `undefined` where a setting has none, and no default. */
export type Values = {
  readonly [Name in SettingName]: (typeof settings)[Name] extends Defaulted<infer A> ? A
    : (typeof settings)[Name] extends Setting<infer A> ? A | undefined
    : never
}

/** Names in the order of their declarations. */
export const settingNames = Object.keys(settings) as ReadonlyArray<SettingName>
