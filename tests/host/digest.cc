// SPDX-License-Identifier: GPL-2.0-only
//
// Checksums and hashes of the POSIX port: CRC32C by the SSE4.2 instruction where the CPU has it and
// by a table elsewhere, hashes by OpenSSL's libcrypto.
#include "os/digest.h"

#include <openssl/evp.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "crc32c_table.hh"
#include "host.hh"

namespace {

std::atomic<uint32_t> missing_hashes{0};

const EVP_MD* hash_of(int algorithm) {
  if (algorithm < 0 || algorithm > 31 || ((missing_hashes >> algorithm) & 1) != 0) return nullptr;
  switch (algorithm) {
    case OS_HASH_MD5:
      return EVP_md5();
    case OS_HASH_SHA1:
      return EVP_sha1();
    case OS_HASH_SHA256:
      return EVP_sha256();
    case OS_HASH_SHA3_256:
      return EVP_sha3_256();
    default:
      return nullptr;
  }
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) uint32_t crc32c_by_cpu(uint32_t crc, const unsigned char* data,
                                                         size_t size) {
  uint64_t wide = crc;
  for (; size >= 8; data += 8, size -= 8) {
    uint64_t word = 0;
    memcpy(&word, data, sizeof(word));
    wide = __builtin_ia32_crc32di(wide, word);
  }
  crc = static_cast<uint32_t>(wide);
  for (; size != 0; ++data, --size)
    crc = __builtin_ia32_crc32qi(crc, *data);
  return crc;
}
bool cpu_has_crc32c() {
  static const bool has = __builtin_cpu_supports("sse4.2") != 0;
  return has;
}
#else
uint32_t crc32c_by_cpu(uint32_t crc, const unsigned char* data, size_t size) {
  return host_crc32c_by_table(crc, data, size);
}
bool cpu_has_crc32c() { return false; }
#endif

}  // namespace

void host_set_hash_missing(int algorithm, bool missing) {
  const uint32_t bit = 1u << (algorithm & 31);
  if (missing) {
    missing_hashes |= bit;
  } else {
    missing_hashes &= ~bit;
  }
}

uint32_t host_crc32c_by_table(uint32_t crc, const void* data, size_t size) {
  return chiscsi::test::crc32c_by_table(crc, static_cast<const uint8_t*>(data), size);
}

uint32_t os_crc32c(uint32_t crc, const void* data, size_t size) {
  if (!cpu_has_crc32c()) return host_crc32c_by_table(crc, data, size);
  return crc32c_by_cpu(crc, static_cast<const unsigned char*>(data), size);
}

size_t os_hash_size(int algorithm) {
  const EVP_MD* hash = hash_of(algorithm);
  return hash == nullptr ? 0 : static_cast<size_t>(EVP_MD_get_size(hash));
}

int os_hash(int algorithm, const os_hash_part* parts, size_t count, uint8_t* digest) {
  host_might_sleep("os_hash()");
  const EVP_MD* hash = hash_of(algorithm);
  if (hash == nullptr) return -EOPNOTSUPP;
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  if (context == nullptr) return -ENOMEM;
  bool good = EVP_DigestInit_ex(context, hash, nullptr) == 1;
  for (size_t i = 0; i < count && good; ++i) {
    good = EVP_DigestUpdate(context, parts[i].data, parts[i].size) == 1;
  }
  good = good && EVP_DigestFinal_ex(context, digest, nullptr) == 1;
  EVP_MD_CTX_free(context);
  return good ? 0 : -EIO;
}
