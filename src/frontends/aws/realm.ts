/**
 * Region and account are namespaces. Queues and topics of the default ones have their plain names in the store, so that every protocol
 * meets there; others are `sqs:REGION:ACCOUNT/NAME`, topics too.
 */

/** Region and account whose queues and topics have plain names. */
export interface HomeRealm {
  readonly region: string
  readonly account: string
}

/** A queue or a topic. */
export interface Address extends HomeRealm {
  readonly name: string
}

const FOREIGN = /^sqs:([a-z0-9-]{1,32}):([0-9]{12})\/(.+)$/

export function storeName({ region, account, name }: Address, home: HomeRealm): string {
  return region === home.region && account === home.account ? name : `sqs:${region}:${account}/${name}`
}

/** What a name in the store would be called here, whether or not SQS or SNS could call anything so. */
export function addressIn(store: string, home: HomeRealm): Address {
  const [, region, account, name] = FOREIGN.exec(store) ?? []
  if (region === undefined || account === undefined || name === undefined) return { ...home, name: store }
  return { region, account, name }
}
