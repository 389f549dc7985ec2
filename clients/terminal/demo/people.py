"""The demo's data: departments, agents, customers, and their texts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from relevo_client import Status

TENANT: Final = "demo"

Language = Literal["es", "pt", "en"]


@dataclass(frozen=True, slots=True)
class Person:
    """
    An agent or an admin of the demo.

    Attributes:
        id: The agent's id.
        name: The name on the screens.
        role: ``agent`` or ``admin``.
        language: Of the reasons and notes.
        departments: The ids of their departments.
        capacity: How many conversations they may have in progress.
        simulated: Whether the demo plays them; the others are free to sign in as.
        on_phone: Whether their network fails now and then, so that a connection ends without a close.
    """

    id: str
    name: str
    role: Literal["agent", "admin"]
    language: Language
    departments: tuple[str, ...]
    capacity: int
    simulated: bool = True
    on_phone: bool = False


DEPARTMENTS: Final[Mapping[str, str]] = {
    "ventas": "Ventas",
    "soporte": "Soporte técnico",
    "cobranca": "Cobrança",
    "returns": "Returns & Refunds",
}

# What an admin would set. Times are human ones, at pace 1.
ANSWER_MS: Final[Mapping[str, int]] = {"soporte": 40_000}
RULES: Final[Mapping[str, Mapping[str, Any]]] = {
    "cobranca": {"statuses": ["connected", "pre_pause"], "hops_max": 4, "reason": "required"}
}
STATUS_REASONS: Final[Mapping[Status, Sequence[str]]] = {
    "pre_pause": ("Salida", "Encerramento", "Leaving"),
    "pause": ("Almuerzo", "Descanso", "Treinamento", "Lunch", "Paperwork"),
}

PEOPLE: Final = (
    Person("ana", "Ana García Peña", "agent", "es", ("ventas", "soporte"), 6, simulated=False),
    Person("joao", "João Gonçalves", "agent", "pt", ("cobranca", "soporte"), 5, simulated=False),
    Person("lucia", "Lucía Fernández", "agent", "es", ("ventas",), 5),
    Person("inaki", "Iñaki Etxeberria", "agent", "es", ("soporte",), 4, on_phone=True),
    Person("begona", "Begoña Núñez", "agent", "es", ("returns", "ventas"), 5),
    Person("andres", "Andrés Muñoz", "agent", "es", ("cobranca",), 4, on_phone=True),
    Person("conceicao", "Conceição Araújo", "agent", "pt", ("cobranca",), 6),
    Person("thiago", "Thiago Magalhães", "agent", "pt", ("soporte",), 5, on_phone=True),
    Person("ines", "Inês Simões", "agent", "pt", ("ventas", "returns"), 4),
    Person("emily", "Emily Clarke", "agent", "en", ("returns",), 6),
    Person("oliver", "Oliver Wright", "agent", "en", ("soporte", "returns"), 5, on_phone=True),
    Person("zoe", "Zoë Bennett", "agent", "en", ("ventas", "cobranca"), 4),
    Person("sofia", "Sofía Rodríguez", "admin", "es", (), 5, simulated=False),
    Person("helena", "Helena Brandão", "admin", "pt", (), 5),
)

BY_ID: Final = {person.id: person for person in PEOPLE}
SIMULATED_AGENTS: Final = tuple(person for person in PEOPLE if person.simulated and person.role == "agent")
SIMULATED_ADMIN: Final = BY_ID["helena"]

CUSTOMERS: Final[Sequence[str]] = (
    "María José Ibáñez", "Álvaro Cañizares", "Belén Iglesias", "Ramón Ybarra", "Jesús Peñalver",
    "Montserrat Güell", "Íñigo Zabala", "Rocío Márquez", "Sebastián Ordóñez", "Verónica Solís",
    "Hernán Vázquez", "Ximena Arévalo", "Joaquín Bermúdez", "Noelia Cortés", "Tomás Echeverría",
    "Pilar Domínguez", "Gonzalo Quiñones", "Araceli Benítez", "Fermín Lázaro", "Débora Sáenz",
    "Antônio Falcão", "Beatriz Assunção", "Cauã Guimarães", "Débora Leitão", "Estêvão Brandão",
    "Fátima Conceição", "Guilherme Araújo", "Heloísa Patrício", "Ícaro Magalhães", "Joaquim Lourenço",
    "Letícia Bragança", "Márcia Antunes", "Nélson Cabaço", "Patrícia Galvão", "Raquel Mourão",
    "Simão Teixeira", "Tânia Quintão", "Úrsula Varejão", "Vitória Façanha", "Zélia Monção",
    "Abigail Thornton", "Benedict O'Hara", "Charlotte Moss", "Declan Murphy", "Eleanor Whitfield",
    "Finn McAllister", "Grace Okafor", "Harriet Lindqvist", "Isaac Goldberg", "Joanne Pryce",
    "Kwame Mensah", "Lydia Ashworth", "Nathan Brooks", "Ophelia Grant", "Priya Raman",
    "Rhys Llewellyn", "Siobhán Kelly", "Theo Vandermeer", "Una Fitzgerald", "Wesley Chambers",
)  # fmt: skip

REASONS: Final[Mapping[str, Mapping[Language, Sequence[str]]]] = {
    "ventas": {
        "es": (
            "Quiere pasar al plan anual y pregunta por el descuento.",
            "Pide un presupuesto para 25 licencias, con factura en septiembre.",
            "Está comparando con otra oferta: le he dicho que le llamáis hoy.",
            "Cliente desde 2016, quiere ampliar su contrato con dos líneas más.",
        ),
        "pt": (
            "Quer contratar o pacote família e saber a partir de quando vale.",
            "Pergunta pelo preço para pequenas empresas; já enviou o CNPJ.",
            "Está com o carrinho cheio e o cupom não funciona, quer fechar a compra agora.",
        ),
        "en": (
            "Ready to upgrade to Business, wants to know what happens to the current contract.",
            "Asks for a quote in euros for three offices.",
            "Trial ends tomorrow; would stay if we can match the price of last year.",
        ),
    },
    "soporte": {
        "es": (
            "No le llega el código de verificación; ya hemos comprobado el número.",
            "El router se reinicia cada noche a las tres, hay que mirar los registros.",
            "Tras la actualización la app se cierra al abrir las facturas. Android 14.",
            "Sin servicio desde ayer en el código postal 41010, otros vecinos igual.",
        ),
        "pt": (
            "O aplicativo trava na tela de login; já reinstalou e limpou o cache.",
            "Está sem sinal desde ontem, o modem mostra a luz vermelha.",
            "A senha nova não é aceita e a conta ficou bloqueada depois de três tentativas.",
        ),
        "en": (
            "Two-factor codes arrive twenty minutes late, on both phones.",
            "Import stops at row 512 with a time-out; sample file is in the chat.",
            "Video drops after ten minutes, only over the office link.",
        ),
    },
    "cobranca": {
        "es": (
            "Le han cobrado dos veces la cuota de mayo; adjunta el extracto.",
            "Necesita la factura a nombre de la empresa, con el NIF correcto.",
            "Quiere cambiar la domiciliación antes del día 5.",
        ),
        "pt": (
            "Boleto vencido ontem: pede segunda via sem juros, o site estava fora do ar.",
            "Cobrança em duplicidade no cartão, final 4412. Já conferi os pedidos.",
            "Quer parcelar a dívida em três vezes; nunca atrasou antes.",
            "Pediu a nota fiscal há dez dias e ainda não recebeu.",
        ),
        "en": (
            "Card was charged twice for order 88213, the bank confirms both.",
            "VAT number is missing on the last two invoices.",
            "Disputes the roaming charges of July, has the itinerary at hand.",
        ),
    },
    "returns": {
        "es": (
            "El paquete llegó abierto y falta el cargador; hay fotos.",
            "Quiere devolver la talla 42 y que le enviemos la 41.",
            "La recogida no se presentó por segunda vez.",
        ),
        "pt": (
            "Produto com defeito dentro da garantia, prefere a troca ao reembolso.",
            "A devolução foi entregue no dia 3 e o reembolso ainda não apareceu.",
            "Recebeu a cor errada, precisa antes de sábado: é um presente.",
        ),
        "en": (
            "Parcel is marked as delivered, but the neighbour has it not either.",
            "Return label cannot be printed; offered to send it by post.",
            "Wants the refund on another card, the old one is cancelled.",
            "Third replacement with the same fault, please treat with care.",
        ),
    },
}

ADMIN_REASONS: Final[Sequence[str]] = (
    "Lleva demasiado tiempo esperando, por favor atendedlo ahora.",
    "Estava na lista de quem saiu para o almoço; alguém pode assumir?",
    "Waiting too long there, moving it to where an agent is free.",
    "Cliente prioritário: já escreveu duas vezes.",
)

DECLINE_REASONS: Final[Mapping[Language, Sequence[str]]] = {
    "es": ("Estoy en una llamada larga, mejor otra persona.", "No es de mi departamento."),
    "pt": ("Estou a terminar outro caso, não consigo agora.", "Não tenho acesso a esse sistema."),
    "en": ("On a call for the next half hour.", "Not something I can approve, sorry."),
}

NOTES: Final[Mapping[Language, Sequence[str]]] = {
    "es": (
        "He comprobado los datos de la cuenta, todo correcto.",
        "Prefiere que se le escriba, no que se le llame.",
        "Le he enviado el enlace; responde en cinco minutos.",
        "Muy amable, ya había hablado con nosotros en marzo.",
    ),
    "pt": (
        "Confirmei o cadastro e o endereço de entrega.",
        "Enviei o passo a passo por e-mail, aguardo o retorno.",
        "Prefere contato depois das 18 h.",
        "Já conferi o histórico: é a segunda vez este mês.",
    ),
    "en": (
        "Identity checked by date of birth and postcode.",
        "Sent the form, customer is filling it in.",
        "Customer is driving, will answer in a quarter of an hour.",
        "Order history looks fine, nothing open.",
    ),
}
