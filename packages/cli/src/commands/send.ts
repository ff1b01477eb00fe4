/** `pnet send`: files and folders to peers. */
import * as Argument from "effect/cli/Argument"
import * as Flag from "effect/cli/Flag"
import * as Duration from "effect/Duration"
import { Span } from "../settings/declare.ts"
import * as Spec from "../spec.ts"

export const send = Spec.make({
  name: "send",
  summary: "Sends files and folders",
  description:
    "Sends files and folders to a peer, to several with commas between their names, or with * to all that are there. Each arrives under its last name, when it " +
    "is whole. The peers decide whether they take it: they run pnet receive or pnet up --receive. What is broken off goes on where it was when the peer is " +
    "back, or when the same is sent again, and what a peer has already is not sent.",
  examples: [
    { command: "pnet send bob notes.txt photos/", description: "A file and a folder" },
    {
      command: "pnet send '*' build.tar.gz --note 'the new build'",
      description: "To all that are there, with a word about it"
    },
    { command: "pnet send bob backup --patience 8h", description: "Goes on when bob is back within the night" }
  ],
  config: {
    target: Argument.String("target").pipe(
      Argument.withDescription("A peer, several with commas, or * for all that are there")
    ),
    paths: Argument.String("path").pipe(
      Argument.withDescription("Files and folders"),
      Argument.variadic({ min: 1 })
    ),
    note: Flag.String("note").pipe(
      Flag.withMetavar("TEXT"),
      Flag.withDescription("A word about it, for whoever decides"),
      Flag.optional
    ),
    links: Flag.Literals("links", ["keep", "follow", "skip"]).pipe(
      Flag.withDefault("keep"),
      Flag.withDescription("Symbolic links: sent as links, as what they lead to, or not at all; default: keep")
    ),
    patience: Flag.String("patience").pipe(
      Flag.withMetavar("TIME"),
      Flag.withSchema(Span),
      Flag.withDefault(Duration.minutes(10)),
      Flag.withDescription("How long it waits for a peer that is lost in the midst; default: 10m")
    )
  },
  prints: ["transfer"]
})
