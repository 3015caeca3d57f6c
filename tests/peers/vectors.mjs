// Notifications under the presets payon, sibs and wechatpay-v3, sealed with Node's crypto as a vendor's server would.
// Prints tests/vectors/profiles/node.json.

import { createCipheriv } from 'node:crypto'

const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')

function sealed(key, iv, plain, aad) {
  const cipher = createCipheriv('aes-256-gcm', key, iv)
  if (aad) cipher.setAAD(Buffer.from(aad))
  return { ciphertext: Buffer.concat([cipher.update(plain), cipher.final()]), tag: cipher.getAuthTag() }
}

function vector(preset, key, plain, headers, body) {
  const base64 = (text) => Buffer.from(text).toString('base64')
  const request = { method: 'POST', target: '/notify', headers, body: base64(body), plain_target: '/notify', plain_body: base64(plain) }
  return { preset, algorithm: 'AES-256-GCM', key: key.toString('hex'), requests: [request] }
}

function notification(preset, encoding, spelled) {
  const plain = '{"type":"PAYMENT","payload":{"id":"8ac7a4a2","amount":"92.00","note":"ü"}}'
  const iv = Buffer.from('0a0b0c0d0e0f101112131415', 'hex')
  const { ciphertext, tag } = sealed(key, iv, plain)
  const text = (bytes) => spelled(bytes.toString(encoding))
  const headers = { 'content-type': 'text/plain', 'x-initialization-vector': text(iv), 'x-authentication-tag': text(tag) }
  return vector(preset, key, plain, headers, text(ciphertext))
}

function wechatpay() {
  const plain = '{"transaction_id":"1217752501201407033233368018","trade_state":"SUCCESS"}'
  const apiv3 = Buffer.from('0123456789abcdef0123456789ABCDEF')
  const nonce = 'fdasflkja484'
  const { ciphertext, tag } = sealed(apiv3, Buffer.from(nonce), plain, 'transaction')
  const resource = {
    original_type: 'transaction',
    algorithm: 'AEAD_AES_256_GCM',
    ciphertext: Buffer.concat([ciphertext, tag]).toString('base64'),
    associated_data: 'transaction',
    nonce
  }
  const body = JSON.stringify({ id: 'EV-2018022511223320873', event_type: 'TRANSACTION.SUCCESS', resource })
  return vector('wechatpay-v3', apiv3, plain, { 'content-type': 'application/json' }, body)
}

const vectors = [
  notification('payon', 'hex', (text) => text.toUpperCase()),
  notification('sibs', 'base64', (text) => text),
  wechatpay()
]
console.log(JSON.stringify(vectors, null, 4))
