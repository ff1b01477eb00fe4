/**
 * pnet nodes that reach each other over NATS.
 *
 * @since 0.2.0
 */
export * as DurableTopics from "./DurableTopics.ts"
export * as DurableTopicsError from "./DurableTopicsError.ts"
export * as Mail from "./Mail.ts"
export * as MailError from "./MailError.ts"
export * as NatsError from "./NatsError.ts"
export * as NatsOptions from "./NatsOptions.ts"
export * as NatsPnet from "./NatsPnet.ts"
export * as Subjects from "./Subjects.ts"
