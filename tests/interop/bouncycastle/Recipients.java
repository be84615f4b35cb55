import java.math.BigInteger;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.cert.X509Certificate;
import java.security.interfaces.ECPublicKey;
import java.security.spec.MGF1ParameterSpec;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.crypto.SecretKey;
import javax.crypto.spec.OAEPParameterSpec;
import javax.crypto.spec.PSource;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.pkcs.PKCSObjectIdentifiers;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.AlgorithmIdentifier;
import org.bouncycastle.asn1.x509.SubjectKeyIdentifier;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.cms.CMSEnvelopedGenerator;
import org.bouncycastle.cms.KeyAgreeRecipientId;
import org.bouncycastle.cms.KeyTransRecipientId;
import org.bouncycastle.cms.PasswordRecipient;
import org.bouncycastle.cms.Recipient;
import org.bouncycastle.cms.RecipientInfoGenerator;
import org.bouncycastle.cms.RecipientInformation;
import org.bouncycastle.cms.jcajce.JceKEKEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKEKRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyAgreeEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyAgreeRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JceKeyTransAuthEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JceKeyTransRecipientInfoGenerator;
import org.bouncycastle.cms.jcajce.JcePasswordEnvelopedRecipient;
import org.bouncycastle.cms.jcajce.JcePasswordRecipientInfoGenerator;
import org.bouncycastle.operator.jcajce.JcaAlgorithmParametersConverter;

/**
 * Recipients, each from a line of words: octets in base64, "-" for none.
 *
 * <ul>
 *   <li>transport CERTIFICATE by-key-identifier
 *   <li>oaep CERTIFICATE digest mask-digest label
 *   <li>agree CERTIFICATE scheme wrap ukm by-key-identifier
 *   <li>rsa-kem CERTIFICATE wrap ukm
 *   <li>kek identifier key
 *   <li>password text wrap iterations prf
 * </ul>
 */
final class Recipients {
    private Recipients() {}

    static byte[] octets(String word) {
        return word.equals("-") ? null : Base64.getDecoder().decode(word);
    }

    static ASN1ObjectIdentifier oid(String word) {
        return new ASN1ObjectIdentifier(word);
    }

    static void add(CMSEnvelopedGenerator into, Peer.Question asked) throws Exception {
        for (RecipientInfoGenerator each : all(asked)) {
            into.addRecipientInfoGenerator(each);
        }
    }

    static List<RecipientInfoGenerator> all(Peer.Question asked) throws Exception {
        List<RecipientInfoGenerator> found = new ArrayList<>();
        for (String line : asked.texts("recipient")) {
            found.add(recipient(line.split(" ")));
        }
        return found;
    }

    private static RecipientInfoGenerator recipient(String[] words) throws Exception {
        switch (words[0]) {
            case "transport":
                return transport(certificate(words[1]), words[2].equals("yes"));
            case "oaep":
                return oaep(certificate(words[1]), words);
            case "agree":
                return agree(certificate(words[1]), words);
            case "rsa-kem":
                return new RsaKem.Generator(
                        certificate(words[1]), oid(words[2]), octets(words[3]));
            case "kek":
                return new JceKEKRecipientInfoGenerator(
                                octets(words[1]), new SecretKeySpec(octets(words[2]), "AES"))
                        .setProvider("BC");
            case "password":
                return new JcePasswordRecipientInfoGenerator(oid(words[2]), words[1].toCharArray())
                        .setProvider("BC")
                        .setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8)
                        .setPRF(prf(words[4]))
                        .setSaltAndIterationCount(new byte[20], Integer.parseInt(words[3]));
            default:
                throw new Peer.Refusal("unknown recipient " + words[0]);
        }
    }

    private static X509CertificateHolder certificate(String word) throws Exception {
        return new X509CertificateHolder(octets(word));
    }

    private static X509Certificate jca(X509CertificateHolder certificate) throws Exception {
        return new JcaX509CertificateConverter().setProvider("BC").getCertificate(certificate);
    }

    private static byte[] keyIdentifier(X509CertificateHolder certificate) {
        return SubjectKeyIdentifier.fromExtensions(certificate.getExtensions()).getKeyIdentifier();
    }

    private static PasswordRecipient.PRF prf(String name) throws Peer.Refusal {
        switch (name) {
            case "sha1":
                return PasswordRecipient.PRF.HMacSHA1;
            case "sha224":
                return PasswordRecipient.PRF.HMacSHA224;
            case "sha256":
                return PasswordRecipient.PRF.HMacSHA256;
            case "sha384":
                return PasswordRecipient.PRF.HMacSHA384;
            case "sha512":
                return PasswordRecipient.PRF.HMacSHA512;
            default:
                throw new Peer.Refusal("unknown PRF " + name);
        }
    }

    private static RecipientInfoGenerator transport(X509CertificateHolder who, boolean byKey)
            throws Exception {
        X509Certificate certificate = jca(who);
        return byKey
                ? new JceKeyTransRecipientInfoGenerator(
                                keyIdentifier(who), certificate.getPublicKey())
                        .setProvider("BC")
                : new JceKeyTransRecipientInfoGenerator(certificate).setProvider("BC");
    }

    private static RecipientInfoGenerator oaep(X509CertificateHolder who, String[] words)
            throws Exception {
        PSource label =
                words[4].equals("-")
                        ? PSource.PSpecified.DEFAULT
                        : new PSource.PSpecified(octets(words[4]));
        OAEPParameterSpec spec =
                new OAEPParameterSpec(words[2], "MGF1", new MGF1ParameterSpec(words[3]), label);
        AlgorithmIdentifier algorithm =
                new JcaAlgorithmParametersConverter()
                        .getAlgorithmIdentifier(PKCSObjectIdentifiers.id_RSAES_OAEP, spec);
        return new JceKeyTransRecipientInfoGenerator(jca(who), algorithm).setProvider("BC");
    }

    private static RecipientInfoGenerator agree(X509CertificateHolder who, String[] words)
            throws Exception {
        PublicKey peer = jca(who).getPublicKey();
        byte[] ukm = octets(words[4]);
        if (!(peer instanceof ECPublicKey)) {
            return new Montgomery.Generator(who, oid(words[2]), oid(words[3]), ukm);
        }
        KeyPairGenerator generator = KeyPairGenerator.getInstance("EC", "BC");
        generator.initialize(((ECPublicKey) peer).getParams());
        KeyPair mine = generator.generateKeyPair();
        JceKeyAgreeRecipientInfoGenerator made =
                new JceKeyAgreeRecipientInfoGenerator(
                        oid(words[2]), mine.getPrivate(), mine.getPublic(), oid(words[3]));
        made.setProvider("BC").setUserKeyingMaterial(ukm);
        return words[5].equals("yes")
                ? made.addRecipient(keyIdentifier(who), peer)
                : made.addRecipient(jca(who));
    }

    // --- reading

    static boolean named(RecipientInformation each, X509CertificateHolder who) {
        byte[] identifier = keyIdentifier(who);
        X500Name issuer = who.getIssuer();
        BigInteger serial = who.getSerialNumber();
        return new KeyTransRecipientId(issuer, serial).match(each)
                || new KeyTransRecipientId(identifier).match(each)
                || new KeyAgreeRecipientId(issuer, serial).match(each)
                || new KeyAgreeRecipientId(identifier).match(each);
    }

    static Recipient password(String text) {
        return new JcePasswordEnvelopedRecipient(text.toCharArray())
                .setPasswordConversionScheme(PasswordRecipient.PKCS5_SCHEME2_UTF8)
                .setProvider("BC");
    }

    static Recipient kek(SecretKey key) {
        return new JceKEKEnvelopedRecipient(key).setProvider("BC");
    }

    static Recipient transport(PrivateKey key, boolean tag) {
        return tag
                ? new JceKeyTransAuthEnvelopedRecipient(key).setProvider("BC")
                : new JceKeyTransEnvelopedRecipient(key).setProvider("BC");
    }

    static Recipient agreement(PrivateKey key, String scheme) {
        return Montgomery.SCHEMES.containsKey(scheme)
                ? new Montgomery.Opener(key)
                : new JceKeyAgreeEnvelopedRecipient(key).setProvider("BC");
    }
}
