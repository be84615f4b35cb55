import java.io.IOException;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.util.Map;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1EncodableVector;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.ASN1Sequence;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.DERSequence;
import org.bouncycastle.asn1.cms.IssuerAndSerialNumber;
import org.bouncycastle.asn1.cms.KeyAgreeRecipientIdentifier;
import org.bouncycastle.asn1.cms.RecipientEncryptedKey;
import org.bouncycastle.asn1.cms.ecc.ECCCMSSharedInfo;
import org.bouncycastle.asn1.edec.EdECObjectIdentifiers;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cms.CMSAlgorithm;
import org.bouncycastle.cms.CMSException;
import org.bouncycastle.cms.KeyAgreeRecipient;
import org.bouncycastle.cms.KeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.RecipientOperator;
import org.bouncycastle.cms.jcajce.JceKEKEnvelopedRecipient;
import org.bouncycastle.crypto.CipherParameters;
import org.bouncycastle.crypto.Digest;
import org.bouncycastle.crypto.RawAgreement;
import org.bouncycastle.crypto.agreement.X25519Agreement;
import org.bouncycastle.crypto.agreement.X448Agreement;
import org.bouncycastle.crypto.digests.SHA256Digest;
import org.bouncycastle.crypto.digests.SHA384Digest;
import org.bouncycastle.crypto.digests.SHA512Digest;
import org.bouncycastle.crypto.engines.AESWrapEngine;
import org.bouncycastle.crypto.generators.HKDFBytesGenerator;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;
import org.bouncycastle.crypto.params.HKDFParameters;
import org.bouncycastle.crypto.params.KeyParameter;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;
import org.bouncycastle.crypto.params.X448PrivateKeyParameters;
import org.bouncycastle.crypto.util.PrivateKeyFactory;
import org.bouncycastle.crypto.util.PublicKeyFactory;
import org.bouncycastle.crypto.util.SubjectPublicKeyInfoFactory;
import org.bouncycastle.operator.GenericKey;
import org.bouncycastle.util.Pack;

/**
 * Key agreement over X25519 and X448 (RFC 8418), which Bouncy Castle 1.72 has the parts for and
 * does not put together: its curves, HKDF, key wrap and syntax, in the order of the RFC.
 */
final class Montgomery {
    /** The key agreement schemes of RFC 8418, 2.2. */
    static final Map<String, Integer> SCHEMES =
            Map.of(
                    "1.2.840.113549.1.9.16.3.19", 256,
                    "1.2.840.113549.1.9.16.3.20", 384,
                    "1.2.840.113549.1.9.16.3.21", 512);

    private static final Map<ASN1ObjectIdentifier, Integer> WRAPS =
            Map.of(
                    CMSAlgorithm.AES128_WRAP, 16,
                    CMSAlgorithm.AES192_WRAP, 24,
                    CMSAlgorithm.AES256_WRAP, 32);

    private Montgomery() {}

    static int keySize(AlgorithmIdentifier wrap) {
        return WRAPS.get(wrap.getAlgorithm());
    }

    private static byte[] secret(AsymmetricKeyParameter mine, CipherParameters peer) {
        RawAgreement agreement =
                mine instanceof X25519PrivateKeyParameters
                        ? new X25519Agreement()
                        : new X448Agreement();
        agreement.init(mine);
        byte[] secret = new byte[agreement.getAgreementSize()];
        agreement.calculateAgreement(peer, secret, 0);
        return secret;
    }

    private static Digest digest(String scheme) {
        switch (SCHEMES.get(scheme)) {
            case 256:
                return new SHA256Digest();
            case 384:
                return new SHA384Digest();
            default:
                return new SHA512Digest();
        }
    }

    private static byte[] kek(String scheme, AlgorithmIdentifier wrap, byte[] ukm, byte[] secret)
            throws IOException {
        int size = keySize(wrap);
        byte[] bits = Pack.intToBigEndian(8 * size);
        byte[] info =
                ukm == null
                        ? new ECCCMSSharedInfo(wrap, bits).getEncoded("DER")
                        : new ECCCMSSharedInfo(wrap, ukm, bits).getEncoded("DER");
        HKDFBytesGenerator hkdf = new HKDFBytesGenerator(digest(scheme));
        hkdf.init(new HKDFParameters(secret, ukm, info));
        byte[] kek = new byte[size];
        hkdf.generateBytes(kek, 0, size);
        return kek;
    }

    private static AsymmetricKeyParameter ephemeral(SubjectPublicKeyInfo peer) {
        SecureRandom random = new SecureRandom();
        return peer.getAlgorithm().getAlgorithm().equals(EdECObjectIdentifiers.id_X25519)
                ? new X25519PrivateKeyParameters(random)
                : new X448PrivateKeyParameters(random);
    }

    private static AsymmetricKeyParameter publicHalf(AsymmetricKeyParameter key) {
        return key instanceof X25519PrivateKeyParameters
                ? ((X25519PrivateKeyParameters) key).generatePublicKey()
                : ((X448PrivateKeyParameters) key).generatePublicKey();
    }

    /** Wraps for one recipient. */
    static final class Generator extends KeyAgreeRecipientInfoGenerator {
        private final X509CertificateHolder who;
        private final AsymmetricKeyParameter mine;
        private final byte[] ukm;

        Generator(
                X509CertificateHolder who,
                ASN1ObjectIdentifier scheme,
                ASN1ObjectIdentifier wrap,
                byte[] ukm)
                throws IOException {
            this(who, ephemeral(who.getSubjectPublicKeyInfo()), scheme, wrap, ukm);
        }

        private Generator(
                X509CertificateHolder who,
                AsymmetricKeyParameter mine,
                ASN1ObjectIdentifier scheme,
                ASN1ObjectIdentifier wrap,
                byte[] ukm)
                throws IOException {
            super(
                    scheme,
                    SubjectPublicKeyInfoFactory.createSubjectPublicKeyInfo(publicHalf(mine)),
                    wrap);
            this.who = who;
            this.mine = mine;
            this.ukm = ukm;
        }

        @Override
        protected byte[] getUserKeyingMaterial(AlgorithmIdentifier unused) {
            return ukm;
        }

        @Override
        protected ASN1Sequence generateRecipientEncryptedKeys(
                AlgorithmIdentifier scheme, AlgorithmIdentifier wrap, GenericKey key)
                throws CMSException {
            try {
                SubjectPublicKeyInfo peer = who.getSubjectPublicKeyInfo();
                byte[] secret = secret(mine, PublicKeyFactory.createKey(peer));
                AESWrapEngine engine = new AESWrapEngine();
                engine.init(
                        true,
                        new KeyParameter(kek(scheme.getAlgorithm().getId(), wrap, ukm, secret)));
                byte[] content = Others.octets(key);
                byte[] wrapped = engine.wrap(content, 0, content.length);
                KeyAgreeRecipientIdentifier named =
                        new KeyAgreeRecipientIdentifier(
                                new IssuerAndSerialNumber(who.toASN1Structure()));
                ASN1EncodableVector all = new ASN1EncodableVector();
                all.add(new RecipientEncryptedKey(named, new DEROctetString(wrapped)));
                return new DERSequence(all);
            } catch (IOException error) {
                throw new CMSException("no key agreement", error);
            }
        }
    }

    /** Opens what was wrapped so. */
    static final class Opener implements KeyAgreeRecipient {
        private final PrivateKeyInfo key;

        Opener(PrivateKey key) {
            this.key = PrivateKeyInfo.getInstance(key.getEncoded());
        }

        @Override
        public AlgorithmIdentifier getPrivateKeyAlgorithmIdentifier() {
            return key.getPrivateKeyAlgorithm();
        }

        @Override
        public RecipientOperator getRecipientOperator(
                AlgorithmIdentifier scheme,
                AlgorithmIdentifier cipher,
                SubjectPublicKeyInfo sender,
                ASN1OctetString ukm,
                byte[] wrapped)
                throws CMSException {
            try {
                AlgorithmIdentifier wrap = AlgorithmIdentifier.getInstance(scheme.getParameters());
                byte[] secret =
                        secret(PrivateKeyFactory.createKey(key), PublicKeyFactory.createKey(sender));
                byte[] material = ukm == null ? null : ukm.getOctets();
                byte[] kek = kek(scheme.getAlgorithm().getId(), wrap, material, secret);
                JceKEKEnvelopedRecipient opener =
                        new JceKEKEnvelopedRecipient(new SecretKeySpec(kek, "AES"));
                return opener.setProvider("BC").getRecipientOperator(wrap, cipher, wrapped);
            } catch (IOException error) {
                throw new CMSException("no key agreement", error);
            }
        }
    }
}
