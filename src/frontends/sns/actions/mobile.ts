/** Platform applications and endpoints: nine actions over records. Publishing to an endpoint goes to the outbox. */
import { createHash } from 'node:crypto'
import { checkAccount, MOBILE } from '../access.ts'
import { parseArn } from '../arns.ts'
import { type Action, DONE } from '../context.ts'
import { invalidBecause, invalidParameter, notFound } from '../errors.ts'
import { CUSTOM_USER_DATA_BYTES_MAX, ENDPOINT_TOKEN_BYTES_MAX, PAGE } from '../limits.ts'
import {
  applicationsPage,
  endpointArn,
  endpointsPage,
  findApplication,
  findEndpoint,
  putApplication,
  putEndpoint,
  removeApplication,
  removeEndpoint,
} from '../mobile-records.ts'
import { afterToken, pageOf } from '../paging.ts'
import { optional, required, type Texts, textMap, texts } from '../params.ts'

export const platforms = ['ADM', 'APNS', 'APNS_SANDBOX', 'BAIDU', 'FCM', 'GCM', 'MACOS', 'MACOS_SANDBOX', 'MPNS', 'WNS']
export const applicationAttributeNames = [
  'PlatformCredential',
  'PlatformPrincipal',
  'EventEndpointCreated',
  'EventEndpointDeleted',
  'EventEndpointUpdated',
  'EventDeliveryFailure',
  'SuccessFeedbackRoleArn',
  'FailureFeedbackRoleArn',
  'SuccessFeedbackSampleRate',
  'ApplePlatformTeamID',
  'ApplePlatformBundleID',
  'Enabled',
]
export const endpointAttributeNames = ['CustomUserData', 'Enabled', 'Token']

/** Nothing here uses them, so they are not kept: a hash tells whether they are the same. */
const SECRETS = new Set(['PlatformCredential', 'PlatformPrincipal'])

export const createPlatformApplication: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  const name = required(call.params, 'Name')
  const platform = required(call.params, 'Platform')
  if (!/^[A-Za-z0-9_.-]{1,256}$/.test(name)) throw invalidParameter('Name')
  if (!platforms.includes(platform)) throw invalidBecause('Platform', `${platform.slice(0, 100)} is not supported`)
  const attributes = checkedApplication(textMap(call.params, 'Attributes'))
  const arn = `arn:aws:sns:${call.region}:${call.account}:app/${platform}/${name}`
  const known = await findApplication(port, arn)
  if (known === undefined) await putApplication(port, { arn, platform, attributes })
  else if (!isSame(known.attributes, attributes)) {
    throw invalidBecause('PlatformApplication', `${arn} already exists with different attributes`)
  }
  return { PlatformApplicationArn: arn }
}

export const deletePlatformApplication: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  await removeApplication(port, applicationArn(required(call.params, 'PlatformApplicationArn')))
  return DONE
}

export const getPlatformApplicationAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'read', MOBILE)
  const application = await findApplication(port, applicationArn(required(call.params, 'PlatformApplicationArn')))
  if (application === undefined) throw notFound('PlatformApplication')
  return { Attributes: shownApplication(application.attributes) }
}

export const setPlatformApplicationAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  const application = await findApplication(port, applicationArn(required(call.params, 'PlatformApplicationArn')))
  if (application === undefined) throw notFound('PlatformApplication')
  const changes = checkedApplication(textMap(call.params, 'Attributes'))
  await putApplication(port, { ...application, attributes: Object.assign(texts(), application.attributes, changes) })
  return DONE
}

export const listPlatformApplications: Action = async ({ port }, call) => {
  checkAccount(call, 'read', MOBILE)
  const after = afterToken(optional(call.params, 'NextToken'))
  const realm = `arn:aws:sns:${call.region}:${call.account}:`
  const found = await applicationsPage(port, realm, { after, limit: PAGE + 1 })
  const { page, token } = pageOf(found, { limit: PAGE, keyOf: ({ arn }) => arn })
  return {
    PlatformApplications: page.map(({ arn, attributes }) => ({
      PlatformApplicationArn: arn,
      Attributes: shownApplication(attributes),
    })),
    NextToken: token,
  }
}

export const createPlatformEndpoint: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  const { params } = call
  const application = applicationArn(required(params, 'PlatformApplicationArn'))
  const token = required(params, 'Token')
  const given = checkedEndpoint(textMap(params, 'Attributes'))
  const data = optional(params, 'CustomUserData')
  if (data !== undefined) checkUserData(data)
  if (token === '' || Buffer.byteLength(token) > ENDPOINT_TOKEN_BYTES_MAX) throw invalidParameter('Token')
  if ((await findApplication(port, application)) === undefined) throw notFound('PlatformApplication')
  const arn = endpointArn(application, token)
  const attributes = Object.assign(
    texts([['Enabled', 'true']]),
    data === undefined ? {} : { CustomUserData: data },
    given,
    { Token: token },
  )
  const known = await findEndpoint(port, arn)
  if (known === undefined) await putEndpoint(port, { arn, application, attributes })
  else if (!isSame(known.attributes, attributes)) {
    throw invalidBecause('Token', `Endpoint ${arn} already exists with the same Token, but different attributes.`)
  }
  return { EndpointArn: arn }
}

export const deleteEndpoint: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  const arn = required(call.params, 'EndpointArn')
  parseArn(arn, 'EndpointArn')
  await removeEndpoint(port, arn)
  return DONE
}

export const getEndpointAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'read', MOBILE)
  const arn = required(call.params, 'EndpointArn')
  parseArn(arn, 'EndpointArn')
  const endpoint = await findEndpoint(port, arn)
  if (endpoint === undefined) throw notFound('Endpoint')
  return { Attributes: endpoint.attributes }
}

export const setEndpointAttributes: Action = async ({ port }, call) => {
  checkAccount(call, 'configure', MOBILE)
  const arn = required(call.params, 'EndpointArn')
  parseArn(arn, 'EndpointArn')
  const endpoint = await findEndpoint(port, arn)
  if (endpoint === undefined) throw notFound('Endpoint')
  const changes = checkedEndpoint(textMap(call.params, 'Attributes'))
  await putEndpoint(port, { ...endpoint, attributes: Object.assign(texts(), endpoint.attributes, changes) })
  return DONE
}

export const listEndpointsByPlatformApplication: Action = async ({ port }, call) => {
  checkAccount(call, 'read', MOBILE)
  const application = applicationArn(required(call.params, 'PlatformApplicationArn'))
  if ((await findApplication(port, application)) === undefined) throw notFound('PlatformApplication')
  const after = afterToken(optional(call.params, 'NextToken'))
  const found = await endpointsPage(port, application, { after, limit: PAGE + 1 })
  const { page, token } = pageOf(found, { limit: PAGE, keyOf: ({ arn }) => arn })
  return {
    Endpoints: page.map(({ arn, attributes }) => ({ EndpointArn: arn, Attributes: attributes })),
    NextToken: token,
  }
}

function applicationArn(arn: string): string {
  const { rest } = parseArn(arn, 'PlatformApplicationArn')
  if (rest.length !== 1 || !/^app\/[A-Z_]+\/[A-Za-z0-9_.-]{1,256}$/.test(rest[0] ?? '')) {
    throw invalidParameter('PlatformApplicationArn')
  }
  return arn
}

function checkedApplication(given: Texts): Texts {
  const checked = texts()
  for (const [name, value] of Object.entries(given)) {
    if (!applicationAttributeNames.includes(name)) throw invalidBecause('Attributes', `Invalid attribute name: ${name}`)
    checked[name] = SECRETS.has(name) ? createHash('sha256').update(value).digest('hex') : value
  }
  return checked
}

function shownApplication(attributes: Texts): Texts {
  return texts([['Enabled', 'true'], ...Object.entries(attributes).filter(([name]) => !SECRETS.has(name))])
}

function checkedEndpoint(given: Texts): Texts {
  for (const [name, value] of Object.entries(given)) {
    if (!endpointAttributeNames.includes(name)) throw invalidBecause('Attributes', `Invalid attribute name: ${name}`)
    if (name === 'CustomUserData') checkUserData(value)
    if (name === 'Enabled' && !/^(?:true|false)$/i.test(value)) throw invalidBecause('Attributes', 'Invalid Enabled')
  }
  return given
}

function checkUserData(data: string): void {
  if (Buffer.byteLength(data) > CUSTOM_USER_DATA_BYTES_MAX) throw invalidParameter('CustomUserData')
}

function isSame(a: Texts, b: Texts): boolean {
  const names = new Set([...Object.keys(a), ...Object.keys(b)])
  return [...names].every((name) => a[name] === b[name])
}
